// How proto files are written: names, and a comment on everything.
#pragma once

#include <google/protobuf/descriptor.h>

#include <string>
#include <vector>

namespace pinwarden::contract {

// Everything that is not as it should be, "FILE:LINE: NAME: what is wrong", in the order of the file. Asked for are:
// syntax proto3; a package that is the folder's; ...Service, each method with a request and a response of its own name,
// also where it streams, and with a role; CamelCase types, lower_snake_case fields; enum values that begin with their
// enum's name, 0 being ..._UNSPECIFIED; and a sentence above each service, method, message, field, oneof, enum and
// value.
std::vector<std::string> style_complaints(const google::protobuf::FileDescriptor& file);

}  // namespace pinwarden::contract
