#include "contract/wire_record.h"

#include <algorithm>
#include <cctype>
#include <iterator>
#include <set>
#include <sstream>

namespace pinwarden::contract {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::FileDescriptor;
using google::protobuf::MethodDescriptor;

constexpr const char* kHeader =
    "# What clients of the API hang on: each field, value and method of pinwarden.v1, one a line. A test compares it "
    "with\n"
    "# the proto files. Lines are only ever added, by `./dev proto --accept`; none is changed or taken away.\n";

// How many numbers of a range are reserved in lines of their own; more are one line.
constexpr int kFewNumbers = 1000;

std::string type_name(const FieldDescriptor& field)
{
    if (field.is_map()) {
        return "map<" + type_name(*field.message_type()->map_key()) + "," +
               type_name(*field.message_type()->map_value()) + ">";
    }
    switch (field.type()) {
        case FieldDescriptor::TYPE_MESSAGE:
        case FieldDescriptor::TYPE_GROUP: return field.message_type()->full_name();
        case FieldDescriptor::TYPE_ENUM: return field.enum_type()->full_name();
        default: return field.type_name();
    }
}

std::string usual_json_name(const std::string& name)
{
    std::string json;
    bool upper = false;
    for (const char letter : name) {
        if (letter == '_') {
            upper = true;
            continue;
        }
        json += upper ? static_cast<char>(std::toupper(static_cast<unsigned char>(letter))) : letter;
        upper = false;
    }
    return json;
}

class Lines {
public:
    void add_file(const FileDescriptor& file)
    {
        for (int i = 0; i < file.message_type_count(); ++i) {
            add_message(*file.message_type(i));
        }
        for (int i = 0; i < file.enum_type_count(); ++i) {
            add_enum(*file.enum_type(i));
        }
        for (int i = 0; i < file.extension_count(); ++i) {
            const FieldDescriptor& field = *file.extension(i);
            add_field(field.containing_type()->full_name() + " extension ", field.full_name(), field);
        }
        for (int i = 0; i < file.service_count(); ++i) {
            const auto& service = *file.service(i);
            add(service.full_name(), kItself, 0, service.full_name() + " service");
            for (int j = 0; j < service.method_count(); ++j) {
                add_method(*service.method(j));
            }
        }
    }

    std::vector<std::string> take()
    {
        std::ranges::sort(entries_);
        std::vector<std::string> lines;
        lines.reserve(entries_.size());
        for (Entry& entry : entries_) {
            lines.push_back(std::move(entry.line));
        }
        return lines;
    }

private:
    enum Order : int { kItself, kMember, kReservedNumber, kReservedName };
    struct Entry {
        std::string of;
        Order order;
        int number;
        std::string line;
        friend auto operator<=>(const Entry&, const Entry&) = default;
    };

    void add(const std::string& of, Order order, int number, std::string line)
    {
        entries_.push_back({of, order, number, std::move(line)});
    }

    void add_message(const Descriptor& message)
    {
        if (message.options().map_entry()) {
            return;
        }
        add(message.full_name(), kItself, 0, message.full_name() + " message");
        for (int i = 0; i < message.field_count(); ++i) {
            add_field(message.full_name() + " field ", message.field(i)->name(), *message.field(i));
        }
        for (int i = 0; i < message.reserved_range_count(); ++i) {
            // Its end is the first number after it.
            const auto& range = *message.reserved_range(i);
            add_reserved(message.full_name(), range.start, range.end - 1);
        }
        for (int i = 0; i < message.reserved_name_count(); ++i) {
            add(message.full_name(), kReservedName, 0,
                message.full_name() + " reserved \"" + message.reserved_name(i) + "\"");
        }
        for (int i = 0; i < message.nested_type_count(); ++i) {
            add_message(*message.nested_type(i));
        }
        for (int i = 0; i < message.enum_type_count(); ++i) {
            add_enum(*message.enum_type(i));
        }
    }

    void add_field(const std::string& head, const std::string& name, const FieldDescriptor& field)
    {
        std::string line = head + std::to_string(field.number()) + " " + name + " " + type_name(field);
        if (field.is_repeated() && !field.is_map()) {
            line += " repeated";
            // One that is not packed reads the same, but old clients of other languages need not.
            line += field.is_packable() && !field.is_packed() ? " unpacked" : "";
        }
        if (const auto* const oneof = field.real_containing_oneof()) {
            line += " oneof=" + oneof->name();
        } else if (field.has_optional_keyword()) {
            line += " optional";
        }
        if (!field.is_extension() && field.json_name() != usual_json_name(field.name())) {
            line += " json=" + field.json_name();
        }
        add(field.containing_type()->full_name(), kMember, field.number(), std::move(line));
    }

    void add_enum(const EnumDescriptor& type)
    {
        add(type.full_name(), kItself, 0, type.full_name() + " enum");
        for (int i = 0; i < type.value_count(); ++i) {
            const auto& value = *type.value(i);
            add(type.full_name(), kMember, value.number(),
                type.full_name() + " value " + std::to_string(value.number()) + " " + value.name());
        }
        for (int i = 0; i < type.reserved_range_count(); ++i) {
            const auto& range = *type.reserved_range(i);
            add_reserved(type.full_name(), range.start, range.end);
        }
        for (int i = 0; i < type.reserved_name_count(); ++i) {
            add(type.full_name(), kReservedName, 0, type.full_name() + " reserved \"" + type.reserved_name(i) + "\"");
        }
    }

    void add_reserved(const std::string& of, int first, int last)
    {
        if (last - first >= kFewNumbers) {
            add(of, kReservedNumber, first, of + " reserved " + std::to_string(first) + " to " + std::to_string(last));
            return;
        }
        for (int number = first; number <= last; ++number) {
            add(of, kReservedNumber, number, of + " reserved " + std::to_string(number));
        }
    }

    void add_method(const MethodDescriptor& method)
    {
        const auto side = [](bool streams, const Descriptor& type) {
            return (streams ? "stream " : "") + type.full_name();
        };
        add(method.service()->full_name(), kMember, 0,
            method.service()->full_name() + " method " + method.name() + " (" +
                side(method.client_streaming(), *method.input_type()) + ") returns (" +
                side(method.server_streaming(), *method.output_type()) + ") role=" + role_of(method));
    }

    std::vector<Entry> entries_;
};

std::vector<std::string> words_of(const std::string& line)
{
    std::istringstream stream(line);
    return {std::istream_iterator<std::string>(stream), {}};
}

// "pinwarden.v1.Pin field 7": what a line is about, whatever it says of it.
std::string subject_of(const std::string& line)
{
    const std::vector<std::string> words = words_of(line);
    std::string subject;
    for (std::size_t i = 0; i < std::min<std::size_t>(words.size(), 3); ++i) {
        subject += (i == 0 ? "" : " ") + words[i];
    }
    return subject;
}

std::string taken_away(const std::string& line)
{
    if (line.find(" reserved ") != std::string::npos) {
        return line + ": is reserved no more; what was once in use must not come back as something else";
    }
    return line + ": is gone; put it back, and mark it with [deprecated = true] if nobody should use it";
}

}  // namespace

std::vector<std::string> wire_lines(const ProtoTree& tree)
{
    Lines lines;
    for (const FileDescriptor* const file : tree.files()) {
        lines.add_file(*file);
    }
    return lines.take();
}

WireDifference compare(const std::vector<std::string>& recorded, const std::vector<std::string>& found)
{
    const std::set<std::string> before(recorded.begin(), recorded.end());
    const std::set<std::string> after(found.begin(), found.end());
    WireDifference difference;
    std::set<std::string> explained;
    for (const std::string& line : recorded) {
        if (after.contains(line)) {
            continue;
        }
        const auto instead = std::ranges::find_if(
            found, [&](const std::string& other) { return subject_of(other) == subject_of(line); });
        if (instead == found.end()) {
            difference.broken.push_back(taken_away(line));
        } else {
            difference.broken.push_back(line + ": has become: " + *instead +
                                        "; put it back, and add what is new beside it, with a number of its own");
            explained.insert(*instead);
        }
    }
    std::ranges::copy_if(found, std::back_inserter(difference.added),
                         [&](const std::string& line) { return !before.contains(line) && !explained.contains(line); });
    return difference;
}

std::vector<std::string> parse_record(const std::string& text)
{
    std::vector<std::string> lines;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) {
        if (!line.empty() && !line.starts_with('#')) {
            lines.push_back(line);
        }
    }
    return lines;
}

std::string record_text(const std::vector<std::string>& lines)
{
    std::string text = kHeader;
    for (const std::string& line : lines) {
        text += line + "\n";
    }
    return text;
}

}  // namespace pinwarden::contract
