// SPDX-License-Identifier: MIT
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/file.h"
#include "config/tree.h"

#include "support/catch.h"
#include "support/skip.h"

using namespace superd;

namespace {

// A folder of the test's own, removed with all that is in it.
class Folder {
public:
    Folder() {
        std::string pattern = std::filesystem::temp_directory_path() / "superd-unit-XXXXXX";
        REQUIRE(::mkdtemp(pattern.data()));
        path_ = std::filesystem::canonical(pattern);
    }

    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;

    ~Folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    [[nodiscard]] std::string at(const std::string& name) const { return path_ + '/' + name; }

    // Writes a file, and the folders it stands in; its path.
    std::string write(const std::string& name, const std::string& text) const {
        const std::string path = at(name);
        std::filesystem::create_directories(std::filesystem::path(path).parent_path());
        std::ofstream(path, std::ios::binary) << text;
        return path;
    }

    // `text` without this folder's name, for comparing messages.
    [[nodiscard]] std::string without(std::string text) const {
        for (std::size_t at = 0; (at = text.find(path_ + '/')) != std::string::npos;)
            text.erase(at, path_.size() + 1);
        return text;
    }

private:
    std::string path_;
};

struct Loaded {
    Document document;
    Diagnostics diagnostics;

    [[nodiscard]] std::vector<std::string> paths() const {
        std::vector<std::string> out;
        for (const SourceFile& file : document.files)
            out.push_back(file.path);
        return out;
    }
};

Loaded load(LoadOptions options) {
    Loaded out;
    out.document = load_document(options, out.diagnostics);
    return out;
}

Loaded load(const std::string& path) {
    return load(LoadOptions{path, "", false});
}

std::string only_message(const Loaded& loaded) {
    INFO(render(loaded.diagnostics));
    REQUIRE(loaded.diagnostics.all().size() == 1);
    CHECK(loaded.diagnostics.has_errors());
    return loaded.diagnostics.all().front().message;
}

bool is_root() {
    return ::geteuid() == 0;
}

}  // namespace

TEST_CASE("loader: a file is read with its lines") {
    const Folder folder;
    const std::string path = folder.write("s.toml", "x = 1\r\n\ny = 2\n");
    const Loaded loaded = load(path);
    REQUIRE(loaded.document.files.size() == 1);
    const SourceFile& file = loaded.document.files.front();
    CHECK(file.path == path);
    CHECK(file.lines == std::vector<std::string>{"x = 1", "", "y = 2", ""});
    REQUIRE(file.root);
    const Member* y = std::get<TableValue>(file.root->value).find("y");
    REQUIRE(y);
    const Position at = loaded.document.position(y->at);
    CHECK(at.file == path);
    CHECK(at.line == 3);
    CHECK(at.column == 1);
}

TEST_CASE("loader: a missing file is an error about that file") {
    const Folder folder;
    const Loaded loaded = load(folder.at("none.toml"));
    CHECK(only_message(loaded) == "cannot be read: No such file or directory");
    CHECK(loaded.diagnostics.all().front().at.file == folder.at("none.toml"));
    CHECK(loaded.diagnostics.all().front().at.line == 0);
    CHECK(loaded.document.files.empty());
}

TEST_CASE("loader: a directory is an error, not an empty configuration") {
    const Folder folder;
    CHECK(only_message(load(folder.at(""))) == "is a folder, not a file");
}

TEST_CASE("loader: a FIFO does not block and a device is not read") {
    const Folder folder;
    REQUIRE(::mkfifo(folder.at("fifo").c_str(), 0600) == 0);
    CHECK(only_message(load(folder.at("fifo"))) == "is a FIFO, not a file");
    CHECK(only_message(load("/dev/zero")) == "is a device, not a file");
}

TEST_CASE("loader: a file beyond the bound is an error and is not read") {
    const Folder folder;
    const std::string path = folder.write("s.toml", "");
    std::filesystem::resize_file(path, max_file_size + 1);
    CHECK(only_message(load(path)) == "is larger than 16 MiB");
}

TEST_CASE("loader: an empty file is an empty table") {
    const Folder folder;
    const Loaded loaded = load(folder.write("s.toml", ""));
    CHECK(loaded.diagnostics.all().empty());
    REQUIRE(loaded.document.files.size() == 1);
    CHECK(loaded.document.files.front().root);
}

TEST_CASE("loader: a broken file is kept without a tree, so that its lines can be shown") {
    const Folder folder;
    const Loaded loaded = load(folder.write("s.toml", "x = 1\ny = foo\n"));
    CHECK(only_message(loaded) == "text stands in quotes");
    REQUIRE(loaded.document.files.size() == 1);
    CHECK_FALSE(loaded.document.files.front().root);
    CHECK(loaded.document.files.front().lines.at(1) == "y = foo");
}

TEST_CASE("loader: descriptors before and after are the same") {
    const Folder folder;
    folder.write("d/a.toml", "a = 1\n");
    const std::string path = folder.write("s.toml", "include = \"d/*.toml\"\n");
    const int before = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    ::close(before);
    CHECK(load(path).paths().size() == 2);
    const int after = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    ::close(after);
    CHECK(before == after);
}

TEST_CASE("include: patterns are relative to the including file, in byte order") {
    const Folder folder;
    folder.write("d/b.toml", "");
    folder.write("d/a.toml", "");
    folder.write("d/Z.toml", "");
    folder.write("d/10.toml", "");
    folder.write("d/9.toml", "");
    folder.write("d/.hidden.toml", "x = foo");
    folder.write("d/a.toml~", "x = foo");
    folder.write("d/e/a.toml", "x = foo");
    const Loaded loaded = load(folder.write("s.toml", "include = [\"d/*.toml\"]\n"));
    INFO(render(loaded.diagnostics));
    CHECK(loaded.diagnostics.all().empty());
    CHECK(loaded.paths() == std::vector<std::string>{folder.at("s.toml"),
                                    folder.at("d/10.toml"), folder.at("d/9.toml"),
                                    folder.at("d/Z.toml"), folder.at("d/a.toml"),
                                    folder.at("d/b.toml")});
}

TEST_CASE("include: included files may include, depth first") {
    const Folder folder;
    folder.write("d/a.toml", "include = \"more/*.toml\"\n");
    folder.write("d/b.toml", "");
    folder.write("d/more/c.toml", "");
    const Loaded loaded = load(folder.write("s.toml", "include = \"d/*.toml\"\n"));
    CHECK(loaded.diagnostics.all().empty());
    CHECK(loaded.paths() == std::vector<std::string>{folder.at("s.toml"), folder.at("d/a.toml"),
                                    folder.at("d/more/c.toml"), folder.at("d/b.toml")});
}

TEST_CASE("include: a pattern may name folders, and may be absolute") {
    const Folder folder;
    folder.write("x1/a.toml", "");
    folder.write("x2/a.toml", "");
    folder.write("y/a.toml", "");
    const Loaded loaded = load(folder.write(
            "m/s.toml", "include = [\"../x?/a.toml\", \"" + folder.at("y/[a].toml") + "\"]\n"));
    CHECK(loaded.diagnostics.all().empty());
    CHECK(loaded.paths().size() == 4);
}

TEST_CASE("include: a pattern without a match is fine, a missing name is an error") {
    const Folder folder;
    CHECK(load(folder.write("s.toml", "include = [\"d/*.toml\", \"none/*/*.toml\"]\n"))
                    .diagnostics.all()
                    .empty());
    const Loaded missing =
            load(folder.write("s.toml", "x = 1\ninclude = [\"d/*.toml\", \"a.toml\"]\n"));
    CHECK(folder.without(only_message(missing)) ==
            "a.toml cannot be read: No such file or directory");
    const Diagnostic& first = missing.diagnostics.all().front();
    CHECK(first.at.line == 2);
    CHECK(first.at.column == 24);
    CHECK(first.source_line == "include = [\"d/*.toml\", \"a.toml\"]");
}

TEST_CASE("include: a folder that a pattern matches is an error") {
    const Folder folder;
    folder.write("d/a.toml/x", "");
    CHECK(folder.without(only_message(load(folder.write("s.toml",
                  "include = \"d/*.toml\"\n")))) == "d/a.toml is a folder, not a file");
}

TEST_CASE("include: a link to nothing is an error") {
    const Folder folder;
    folder.write("d/x", "");
    std::filesystem::create_symlink("nowhere", folder.at("d/a.toml"));
    CHECK(folder.without(
                  only_message(load(folder.write("s.toml", "include = \"d/*.toml\"\n")))) ==
            "d/a.toml cannot be read: No such file or directory");
}

TEST_CASE("include: cycles are errors at the line that closes them") {
    const Folder folder;
    folder.write("a.toml", "include = \"b.toml\"\n");
    folder.write("b.toml", "\ninclude = \"s.toml\"\n");
    const Loaded loaded = load(folder.write("s.toml", "include = \"a.toml\"\n"));
    CHECK(folder.without(only_message(loaded)) ==
            "s.toml includes itself, by way of this line");
    CHECK(loaded.diagnostics.all().front().at.file == folder.at("b.toml"));
    CHECK(loaded.diagnostics.all().front().at.line == 2);

    const Folder alone;
    CHECK(alone.without(
                  only_message(load(alone.write("self.toml", "include = \"*.toml\"\n")))) ==
            "self.toml includes itself, by way of this line");
}

TEST_CASE("include: a file that two patterns match is read once") {
    const Folder folder;
    folder.write("d/a.toml", "");
    folder.write("d/b.toml", "");
    const Loaded loaded =
            load(folder.write("s.toml", "include = [\"d/b.toml\", \"d/*.toml\"]\n"));
    CHECK(loaded.diagnostics.all().empty());
    CHECK(loaded.paths() == std::vector<std::string>{folder.at("s.toml"), folder.at("d/b.toml"),
                                    folder.at("d/a.toml")});
}

TEST_CASE("include: files that include each other without end are bounded") {
    const Folder folder;
    for (int i = 0; i < 30; ++i) {
        folder.write("f" + std::to_string(i) + ".toml",
                "include = \"f" + std::to_string(i + 1) + ".toml\"\n");
    }
    const Loaded loaded = load(folder.at("f0.toml"));
    CHECK(only_message(loaded) == "files include each other more than 16 deep");
    CHECK(loaded.paths().size() == 16);
}

TEST_CASE("include: only names of files are taken") {
    const Folder folder;
    for (const auto* text :
            {"include = 3\n", "include = [1]\n", "include = \"\"\n", "include = { a = 1 }\n",
                    "include = [[\"a\"]]\n", "include = \"a\\u0000b\"\n"}) {
        CHECK(only_message(load(folder.write("s.toml", text))) ==
                "include takes the name of a file, or a list of them");
    }
    CHECK(load(folder.write("s.toml", "include = []\n")).diagnostics.all().empty());
}

TEST_CASE("include: below a header the error says where it belongs") {
    const Folder folder;

    struct Case {
        const char *text, *table;
    };

    for (const Case& c : {Case{"[superd]\ninclude = [\"d/*.toml\"]\n", "superd"},
                 Case{"[defaults]\ninclude = \"local\"\n", "defaults"},
                 Case{"[service.ssh]\ninclude = \"x\"\n", "service.ssh"},
                 Case{"[networks]\ninclude = [\"d/*.toml\"]\n", "networks"},
                 Case{"[[service.a.listen]]\ninclude = \"a.toml\"\n", "service.a.listen"}}) {
        const Loaded loaded = load(folder.write("s.toml", c.text));
        CHECK(only_message(loaded) ==
                "include must stand before the first [table]; here it belongs to [" +
                        std::string(c.table) + "]");
        CHECK(loaded.diagnostics.all().front().at.line == 2);
        CHECK(loaded.diagnostics.all().front().suggestion ==
                "move this line to the top of the file");
    }
}

TEST_CASE("include: the word may name a network or a variable") {
    const Folder folder;
    CHECK(load(folder.write("s.toml",
                       "[networks]\ninclude = \"10.0.0.0/8\"\n"
                       "[service.a.environment]\ninclude = \"yes\"\n"))
                    .diagnostics.all()
                    .empty());
}

TEST_CASE("include: it is gone from the tree") {
    const Folder folder;
    const Loaded loaded = load(folder.write("s.toml", "include = []\nx = 1\n"));
    const auto& table = std::get<TableValue>(loaded.document.files.at(0).root->value);
    CHECK_FALSE(table.find("include"));
    CHECK(table.find("x"));
}

TEST_CASE("include: an error in an included file is shown there") {
    const Folder folder;
    folder.write("d/a.toml", "ok = 1\nx = foo\n");
    folder.write("d/b.toml", "y = bar\n");
    const Loaded loaded = load(folder.write("s.toml", "include = \"d/*.toml\"\n"));
    REQUIRE(loaded.diagnostics.all().size() == 2);
    CHECK(folder.without(render(loaded.diagnostics)) ==
            "d/a.toml:2:5: error: text stands in quotes\n    x = foo\n        ^\n"
            "    write \"foo\"\n"
            "d/b.toml:1:5: error: text stands in quotes\n    y = bar\n        ^\n"
            "    write \"bar\"\n");
}

TEST_CASE("loader: `as` decides relative includes and messages, the content is the copy's") {
    const Folder folder;
    folder.write("etc/d/a.toml", "");
    const std::string copy = folder.write("tmp/copy.toml", "include = \"d/*.toml\"\nx = foo\n");
    const Loaded broken = load(LoadOptions{copy, folder.at("etc/superd.toml"), false});
    CHECK(only_message(broken) == "text stands in quotes");
    CHECK(broken.diagnostics.all().front().at.file == folder.at("etc/superd.toml"));

    folder.write("tmp/copy.toml", "include = \"d/*.toml\"\n");
    const Loaded good = load(LoadOptions{copy, folder.at("etc/superd.toml"), false});
    CHECK(good.diagnostics.all().empty());
    CHECK(good.paths() ==
            std::vector<std::string>{folder.at("etc/superd.toml"), folder.at("etc/d/a.toml")});
}

TEST_CASE("loader: paths are made absolute") {
    CHECK(absolute_path("/a//b/./c/") == "/a/b/c");
    CHECK(absolute_path("/a/../b") == "/a/../b");
    CHECK(absolute_path("/") == "/");
    CHECK(absolute_path("x.toml") == std::filesystem::current_path().string() + "/x.toml");
}

TEST_CASE("loader: lines of every file are found for later diagnostics") {
    const Folder folder;
    folder.write("d/a.toml", "one = 1\ntwo = 2\n");
    Loaded loaded = load(folder.write("s.toml", "include = \"d/*.toml\"\n"));
    loaded.diagnostics.error({folder.at("d/a.toml"), 2, 1}, "something");
    loaded.diagnostics.error({folder.at("d/a.toml"), 99, 1}, "nowhere");
    attach_source_lines(loaded.document, loaded.diagnostics);
    CHECK(loaded.diagnostics.all()[0].source_line == "two = 2");
    CHECK(loaded.diagnostics.all()[1].source_line.empty());
    CHECK(loaded.document.position(Place{99, 1, 1}).file.empty());
}

TEST_CASE(
        "ownership: a folder that others can write is refused, unless what is in it is its "
        "owners'") {
    if (!is_root()) {
        test::skip("only root can make files that are root's alone");
        return;
    }
    const Folder folder;
    const std::string path = folder.write("open/s.toml", "");
    REQUIRE(::chmod(folder.at("open").c_str(), 0777) == 0);
    const Loaded loaded = load(LoadOptions{path, "", true});
    CHECK(only_message(loaded).find("can be written by its group and others") !=
            std::string::npos);
    CHECK(loaded.document.files.empty());
    CHECK(loaded.diagnostics.all().front().at.file == path);
    CHECK(loaded.diagnostics.all().front().suggestion.find("chmod go-w /") == 0);
    REQUIRE(::chmod(folder.at("open").c_str(), 01777) == 0);
    CHECK(load(LoadOptions{path, "", true}).diagnostics.all().empty());
    REQUIRE(::symlink("s.toml", folder.at("open/link").c_str()) == 0);
    const LoadOptions by_link{folder.at("open/link"), "", true};
    CHECK(load(by_link).diagnostics.all().empty());
    REQUIRE(::lchown(by_link.path.c_str(), 65534, 0) == 0);
    CHECK(only_message(load(by_link)) ==
            "link " + by_link.path + " does not belong to root but to uid 65534");
}

namespace {

// A folder in which the whole way from "/" belongs to root alone, or empty.
std::string roots_own_folder() {
    for (const char* candidate : {"/root", "/var/lib", "/run", "/etc"}) {
        if (find_foreign_writer(candidate).message.empty() && ::access(candidate, W_OK) == 0) {
            return candidate;
        }
    }
    return {};
}

// As Folder, in a place that is root's alone.
class RootFolder {
public:
    explicit RootFolder(const std::string& parent) {
        std::string pattern = parent + "/superd-unit-XXXXXX";
        REQUIRE(::mkdtemp(pattern.data()));
        path_ = pattern;
        REQUIRE(::chmod(path_.c_str(), 0755) == 0);
    }

    RootFolder(const RootFolder&) = delete;
    RootFolder& operator=(const RootFolder&) = delete;

    ~RootFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    [[nodiscard]] std::string write(const std::string& name, const std::string& text) const {
        const std::string path = path_ + '/' + name;
        std::filesystem::create_directories(std::filesystem::path(path).parent_path());
        std::ofstream(path) << text;
        REQUIRE(::chmod(path.c_str(), 0644) == 0);
        return path;
    }

    [[nodiscard]] const std::string& path() const { return path_; }

private:
    std::string path_;
};

}  // namespace

TEST_CASE("ownership: files and folders that are root's alone are accepted, others named") {
    const std::string parent = is_root() ? roots_own_folder() : "";
    if (parent.empty()) {
        test::skip("needs root and a folder that is root's alone");
        return;
    }
    const RootFolder folder(parent);
    const std::string included = folder.write("d/a.toml", "");
    const std::string path = folder.write("s.toml", "include = \"d/*.toml\"\n");
    const LoadOptions options{path, "", true};
    REQUIRE(load(options).diagnostics.all().empty());
    CHECK(load(options).paths().size() == 2);

    struct Case {
        std::string subject;
        mode_t mode;
        std::string message, suggestion;
    };

    const std::string in_folder = folder.path() + "/d";
    for (const Case& c : {Case{path, 0664, "file " + path + " can be written by its group",
                                  "chmod g-w " + path},
                 Case{path, 0646, "file " + path + " can be written by others",
                         "chmod o-w " + path},
                 Case{included, 0666,
                         "file " + included + " can be written by its group and others",
                         "chmod go-w " + included},
                 Case{in_folder, 0777,
                         "folder " + in_folder + " can be written by its group and others",
                         "chmod go-w " + in_folder}}) {
        struct stat before {};

        REQUIRE(::stat(c.subject.c_str(), &before) == 0);
        REQUIRE(::chmod(c.subject.c_str(), c.mode) == 0);
        const Loaded loaded = load(options);
        CHECK(only_message(loaded) == c.message);
        CHECK(loaded.diagnostics.all().front().suggestion == c.suggestion);
        REQUIRE(::chmod(c.subject.c_str(), before.st_mode & 07777) == 0);
    }

    REQUIRE(::chown(included.c_str(), 65534, 0) == 0);
    const Loaded foreign = load(options);
    CHECK(only_message(foreign) ==
            "file " + included + " does not belong to root but to uid 65534");
    CHECK(foreign.diagnostics.all().front().suggestion == "chown root " + included);
    // The include's line is shown for a file it brought in.
    CHECK(foreign.diagnostics.all().front().at.line == 1);
    CHECK(load(LoadOptions{path, "", false}).diagnostics.all().empty());
}

TEST_CASE("ownership: a symbolic link is judged where it leads") {
    const std::string parent = is_root() ? roots_own_folder() : "";
    if (parent.empty()) {
        test::skip("needs root and a folder that is root's alone");
        return;
    }
    const RootFolder folder(parent);
    const Folder elsewhere;
    REQUIRE(::chmod(elsewhere.at("").c_str(), 0777) == 0);
    const std::string open_file = elsewhere.write("s.toml", "");
    const std::string safe = folder.write("real/s.toml", "");
    const std::string link = folder.path() + "/link.toml";

    std::filesystem::create_symlink("real/s.toml", link);
    CHECK(load(LoadOptions{link, "", true}).diagnostics.all().empty());

    std::filesystem::remove(link);
    std::filesystem::create_symlink(open_file, link);
    CHECK(only_message(load(LoadOptions{link, "", true})).find("can be written by") !=
            std::string::npos);

    // A way that only passes through a folder of somebody else's.
    std::filesystem::remove(link);
    std::filesystem::create_symlink(safe, elsewhere.at("hop"));
    std::filesystem::create_symlink(elsewhere.at("hop"), link);
    CHECK(only_message(load(LoadOptions{link, "", true})).find("can be written by") !=
            std::string::npos);

    std::filesystem::remove(link);
    std::filesystem::create_symlink("link.toml", link);
    CHECK(find_foreign_writer(link).message ==
            link + " cannot be read: Too many levels of symbolic links");
}
