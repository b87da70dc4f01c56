#include "contract/proto_style.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <regex>

#include "contract/proto_tree.h"

namespace pinwarden::contract {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::FileDescriptor;
using google::protobuf::MethodDescriptor;
using google::protobuf::ServiceDescriptor;
using google::protobuf::SourceLocation;

bool matches(const std::string& name, const char* pattern)
{
    return std::regex_match(name, std::regex(pattern));
}

bool is_camel(const std::string& name)
{
    return matches(name, "([A-Z][a-z0-9]*)+");
}

bool is_snake(const std::string& name)
{
    return matches(name, "[a-z][a-z0-9]*(_[a-z0-9]+)*");
}

// "WhenUnattended" → "WHEN_UNATTENDED".
std::string upper_snake(const std::string& camel)
{
    std::string upper;
    for (const char letter : camel) {
        if (std::isupper(static_cast<unsigned char>(letter)) != 0 && !upper.empty()) {
            upper += '_';
        }
        upper += static_cast<char>(std::toupper(static_cast<unsigned char>(letter)));
    }
    return upper;
}

// A sentence: it has a space, and an end.
bool is_sentence(const std::string& comment)
{
    const auto last = comment.find_last_not_of(" \n\t");
    return last != std::string::npos && std::string(".:;!?)").find(comment[last]) != std::string::npos &&
           std::ranges::any_of(comment, [](unsigned char letter) { return std::isalpha(letter) != 0; });
}

class Checker {
public:
    explicit Checker(const FileDescriptor& file) : file_(file) {}

    std::vector<std::string> check()
    {
        check_file();
        for (int i = 0; i < file_.service_count(); ++i) {
            check_service(*file_.service(i));
        }
        for (int i = 0; i < file_.message_type_count(); ++i) {
            check_message(*file_.message_type(i));
        }
        for (int i = 0; i < file_.enum_type_count(); ++i) {
            check_enum(*file_.enum_type(i));
        }
        for (int i = 0; i < file_.extension_count(); ++i) {
            check_field(*file_.extension(i));
        }
        return std::move(complaints_);
    }

private:
    template <typename Element>
    void complain(const Element& element, const std::string& what)
    {
        SourceLocation place;
        const int line = element.GetSourceLocation(&place) ? place.start_line + 1 : 1;
        complaints_.push_back(file_.name() + ":" + std::to_string(line) + ": " + element.full_name() + ": " + what);
    }

    template <typename Element>
    void want(bool right, const Element& element, const std::string& what)
    {
        if (!right) {
            complain(element, what);
        }
    }

    template <typename Element>
    void want_comment(const Element& element)
    {
        SourceLocation place;
        const bool known = element.GetSourceLocation(&place);
        want(known && (is_sentence(place.leading_comments) || is_sentence(place.trailing_comments)), element,
             "has no sentence above it that says what it is");
    }

    void check_file()
    {
        const auto want_of_file = [this](bool right, const std::string& what) {
            if (!right) {
                complaints_.push_back(file_.name() + ":1: " + what);
            }
        };
        const std::filesystem::path path = file_.name();
        std::string folder = path.parent_path().generic_string();
        std::ranges::replace(folder, '/', '.');
        want_of_file(file_.package() == folder, "package must be " + folder + ", which is its folder");
        want_of_file(is_snake(path.stem().string()), "the file's name must be lower_snake_case.proto");
        want_of_file(file_.syntax() == FileDescriptor::SYNTAX_PROTO3, "must begin with syntax = \"proto3\"");
    }

    void check_service(const ServiceDescriptor& service)
    {
        want(is_camel(service.name()) && service.name().ends_with("Service"), service,
             "a service must be named ...Service");
        want_comment(service);
        for (int i = 0; i < service.method_count(); ++i) {
            check_method(*service.method(i));
        }
    }

    void check_method(const MethodDescriptor& method)
    {
        want(is_camel(method.name()), method, "a method must be named in CamelCase");
        want(method.input_type()->full_name() == method.file()->package() + "." + method.name() + "Request", method,
             "must take " + method.name() + "Request, not " + method.input_type()->full_name());
        want(method.output_type()->full_name() == method.file()->package() + "." + method.name() + "Response", method,
             "must answer " + method.name() + "Response, not " + method.output_type()->full_name());
        want(role_of(method) != "UNSPECIFIED", method,
             "does not say who may call it: option (role) = ROLE_READER, or ROLE_OPERATOR");
        want_comment(method);
    }

    void check_message(const Descriptor& message)
    {
        // protoc makes one of these for each map, and has checked it.
        if (message.options().map_entry()) {
            return;
        }
        want(is_camel(message.name()), message, "a message must be named in CamelCase");
        want_comment(message);
        for (int i = 0; i < message.field_count(); ++i) {
            check_field(*message.field(i));
        }
        for (int i = 0; i < message.real_oneof_decl_count(); ++i) {
            want(is_snake(message.oneof_decl(i)->name()), *message.oneof_decl(i),
                 "a oneof must be named in lower_snake_case");
            want_comment(*message.oneof_decl(i));
        }
        for (int i = 0; i < message.nested_type_count(); ++i) {
            check_message(*message.nested_type(i));
        }
        for (int i = 0; i < message.enum_type_count(); ++i) {
            check_enum(*message.enum_type(i));
        }
    }

    void check_field(const FieldDescriptor& field)
    {
        want(is_snake(field.name()), field, "a field must be named in lower_snake_case");
        want_comment(field);
    }

    void check_enum(const EnumDescriptor& type)
    {
        want(is_camel(type.name()), type, "an enum must be named in CamelCase");
        want_comment(type);
        const std::string prefix = upper_snake(type.name()) + "_";
        for (int i = 0; i < type.value_count(); ++i) {
            const auto& value = *type.value(i);
            want(value.name().starts_with(prefix) && matches(value.name(), "[A-Z][A-Z0-9]*(_[A-Z0-9]+)*"), value,
                 "must begin with " + prefix + ", and be UPPER_SNAKE_CASE");
            want((value.number() == 0) == (value.name() == prefix + "UNSPECIFIED"), value,
                 "0, and only 0, must be " + prefix + "UNSPECIFIED");
            want_comment(value);
        }
    }

    const FileDescriptor& file_;
    std::vector<std::string> complaints_;
};

}  // namespace

std::vector<std::string> style_complaints(const FileDescriptor& file)
{
    return Checker(file).check();
}

}  // namespace pinwarden::contract
