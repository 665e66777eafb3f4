// SPDX-License-Identifier: MIT
// Never answers, whatever it is asked.
#include <unistd.h>

int main() {
    for (;;)
        ::pause();
}
