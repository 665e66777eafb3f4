// SPDX-License-Identifier: MIT
#include "sys/http_reply.h"

#include <algorithm>

namespace superd {

namespace {

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

// "HTTP/1.1 200 OK", the reason and the blank before it left out or not; 0: it is none.
std::uint16_t status_in(std::string_view line) {
    constexpr std::string_view version = "HTTP/1.";
    if (line.size() < 12 || !line.starts_with(version) || !is_digit(line[7]) || line[8] != ' ')
        return 0;
    const std::string_view digits = line.substr(9, 3);
    if (!std::all_of(digits.begin(), digits.end(), is_digit)) return 0;
    if (line.size() > 12 && line[12] != ' ') return 0;
    const int status = (digits[0] - '0') * 100 + (digits[1] - '0') * 10 + (digits[2] - '0');
    return status >= 100 && status < 600 ? static_cast<std::uint16_t>(status) : 0;
}

}  // namespace

std::string http_question(std::string_view host, std::string_view target) {
    std::string text = "GET ";
    text.append(target).append(" HTTP/1.1\r\nHost: ").append(host);
    return text + "\r\nUser-Agent: superd\r\nAccept: */*\r\nConnection: close\r\n\r\n";
}

HttpReply read_http_reply(std::string_view heard, bool ended) {
    for (;;) {
        const std::size_t end = heard.find('\n');
        if (end == std::string_view::npos)
            return {ended || heard.size() >= http_reply_limit, 0};
        std::string_view line = heard.substr(0, end);
        if (line.ends_with('\r')) line.remove_suffix(1);
        const std::uint16_t status = status_in(line);
        if (status == 0 || status >= 200) return {true, status};
        const std::size_t header_end = heard.find("\r\n\r\n");
        if (header_end == std::string_view::npos)
            return {ended || heard.size() >= http_reply_limit, 0};
        heard.remove_prefix(header_end + 4);
    }
}

}  // namespace superd
