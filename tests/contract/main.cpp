// Compares the proto files with what was recorded of them, and records what has been added.
//   pinwarden_proto_check FOLDER [--accept]
// FOLDER is the proto files' root. Status 0: they are as recorded; 1: they are not, or cannot be read.
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "contract/proto_tree.h"
#include "contract/wire_record.h"

namespace {

using namespace pinwarden::contract;

int failed(const std::string& message)
{
    std::fprintf(stderr, "proto: %s\n", message.c_str());
    return 1;
}

void print(const char* head, const std::vector<std::string>& lines)
{
    if (!lines.empty()) {
        std::fprintf(stderr, "%s\n", head);
    }
    for (const std::string& line : lines) {
        std::fprintf(stderr, "  %s\n", line.c_str());
    }
}

}  // namespace

int main(int count, char** arguments)
{
    const std::vector<std::string> words(arguments + 1, arguments + count);
    const bool accept = words.size() == 2 && words[1] == "--accept";
    if (words.empty() || words.size() > 2 || (words.size() == 2 && !accept)) {
        std::fputs("usage: pinwarden_proto_check FOLDER [--accept]\n", stderr);
        return 2;
    }
    const auto tree = ProtoTree::load(words[0]);
    if (!tree) {
        return failed(tree.error().message);
    }
    const std::string path = words[0] + "/" + kRecord;
    std::ifstream file(path);
    const std::vector<std::string> found = wire_lines(**tree);
    const WireDifference difference =
        compare(parse_record(std::string(std::istreambuf_iterator<char>(file), {})), found);
    print("this would break clients of the API:", difference.broken);
    if (!difference.broken.empty()) {
        return failed("nothing was recorded");
    }
    print(accept ? "recorded:" : "not recorded yet; ./dev proto --accept does so:", difference.added);
    if (difference.added.empty() || !accept) {
        return difference.added.empty() ? 0 : 1;
    }
    std::ofstream out(path, std::ios::trunc);
    out << record_text(found) << std::flush;
    return out ? 0 : failed("cannot write " + path);
}
