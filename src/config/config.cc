// SPDX-License-Identifier: MIT
#include "config/config.h"

#include "config/nss.h"
#include "config/resolve.h"
#include "config/tree.h"

namespace superd {

ReadResult read_config(const ReadOptions& options) {
    ReadResult result;
    const Document document =
            load_document({options.path, options.as, options.check_ownership, options.copies},
                    result.diagnostics);
    for (const SourceFile& file : document.files)
        result.files.push_back(file.path);
    NameService names;
    Plan plan = resolve_document(document, options, names, result.diagnostics);
    result.diagnostics.sort();
    if (!result.diagnostics.has_errors()) result.plan = std::move(plan);
    return result;
}

}  // namespace superd
