#include "fuzz/message_mutator.h"

#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

namespace pinwarden::fuzz {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr std::size_t kMostGrowth = 64;

std::uint64_t below(Random& random, std::uint64_t limit)
{
    return random() % limit;
}

// What a string has to be for the message to be read at all.
std::string without_high_bits(std::string text)
{
    for (char& one : text) {
        one = static_cast<char>(static_cast<unsigned char>(one) & 0x7fU);
    }
    return text;
}

// As libFuzzer would change it: with its dictionary, and with what the program compares with.
std::string text(const FieldDescriptor& field, std::string before)
{
    std::string changed = std::move(before);
    const std::size_t size = changed.size();
    changed.resize(size + kMostGrowth);
    changed.resize(LLVMFuzzerMutate(reinterpret_cast<std::uint8_t*>(changed.data()), size, changed.size()));
    return field.type() == FieldDescriptor::TYPE_BYTES ? changed : without_high_bits(std::move(changed));
}

// One value of a field: of a repeated one that at `index`, which is there.
class Value {
public:
    Value(Message& message, const FieldDescriptor& field, int index)
        : message_(message), reflection_(*message.GetReflection()), field_(&field), index_(index)
    {
    }

    void mutate(Random& random)
    {
        switch (field_->cpp_type()) {
            case FieldDescriptor::CPPTYPE_INT32:
                set(&Reflection::SetInt32, &Reflection::SetRepeatedInt32,
                    static_cast<std::int32_t>(mutate_number(old(), random)));
                break;
            case FieldDescriptor::CPPTYPE_INT64:
                set(&Reflection::SetInt64, &Reflection::SetRepeatedInt64,
                    static_cast<std::int64_t>(mutate_number(old(), random)));
                break;
            case FieldDescriptor::CPPTYPE_UINT32:
                set(&Reflection::SetUInt32, &Reflection::SetRepeatedUInt32,
                    static_cast<std::uint32_t>(mutate_number(old(), random)));
                break;
            case FieldDescriptor::CPPTYPE_UINT64:
                set(&Reflection::SetUInt64, &Reflection::SetRepeatedUInt64, mutate_number(old(), random));
                break;
            case FieldDescriptor::CPPTYPE_DOUBLE:
                set(&Reflection::SetDouble, &Reflection::SetRepeatedDouble,
                    static_cast<double>(mutate_number(0, random)) / static_cast<double>(1 + below(random, 4)));
                break;
            case FieldDescriptor::CPPTYPE_FLOAT:
                set(&Reflection::SetFloat, &Reflection::SetRepeatedFloat, static_cast<float>(mutate_number(0, random)));
                break;
            case FieldDescriptor::CPPTYPE_BOOL:
                set(&Reflection::SetBool, &Reflection::SetRepeatedBool, below(random, 2) == 0);
                break;
            case FieldDescriptor::CPPTYPE_ENUM:
                // Also one that there is no name for.
                set(&Reflection::SetEnumValue, &Reflection::SetRepeatedEnumValue,
                    static_cast<int>(
                        below(random, static_cast<std::uint64_t>(field_->enum_type()->value_count()) + 1)));
                break;
            case FieldDescriptor::CPPTYPE_STRING: set_text(); break;
            case FieldDescriptor::CPPTYPE_MESSAGE:
                mutate_message(field_->is_repeated() ? *reflection_.MutableRepeatedMessage(&message_, field_, index_)
                                                     : *reflection_.MutableMessage(&message_, field_),
                               random);
                break;
        }
    }

private:
    // Of integers; for others nothing is added to it.
    [[nodiscard]] std::uint64_t old() const
    {
        const bool listed = field_->is_repeated();
        switch (field_->cpp_type()) {
            case FieldDescriptor::CPPTYPE_UINT64:
                return listed ? reflection_.GetRepeatedUInt64(message_, field_, index_)
                              : reflection_.GetUInt64(message_, field_);
            case FieldDescriptor::CPPTYPE_UINT32:
                return listed ? reflection_.GetRepeatedUInt32(message_, field_, index_)
                              : reflection_.GetUInt32(message_, field_);
            default: return 0;
        }
    }

    void set_text()
    {
        if (field_->is_repeated()) {
            reflection_.SetRepeatedString(&message_, field_, index_,
                                          text(*field_, reflection_.GetRepeatedString(message_, field_, index_)));
        } else {
            reflection_.SetString(&message_, field_, text(*field_, reflection_.GetString(message_, field_)));
        }
    }

    template <typename One, typename Listed, typename T>
    void set(One one, Listed listed, T value)
    {
        if (field_->is_repeated()) {
            (reflection_.*listed)(&message_, field_, index_, value);
        } else {
            (reflection_.*one)(&message_, field_, value);
        }
    }

    Message& message_;
    const Reflection& reflection_;
    const FieldDescriptor* field_;
    int index_;
};

// Its value is what such fields are when nothing is said of them.
void add(Message& message, const FieldDescriptor& field)
{
    const Reflection& reflection = *message.GetReflection();
    switch (field.cpp_type()) {
        case FieldDescriptor::CPPTYPE_INT32: reflection.AddInt32(&message, &field, 0); break;
        case FieldDescriptor::CPPTYPE_INT64: reflection.AddInt64(&message, &field, 0); break;
        case FieldDescriptor::CPPTYPE_UINT32: reflection.AddUInt32(&message, &field, 0); break;
        case FieldDescriptor::CPPTYPE_UINT64: reflection.AddUInt64(&message, &field, 0); break;
        case FieldDescriptor::CPPTYPE_DOUBLE: reflection.AddDouble(&message, &field, 0); break;
        case FieldDescriptor::CPPTYPE_FLOAT: reflection.AddFloat(&message, &field, 0); break;
        case FieldDescriptor::CPPTYPE_BOOL: reflection.AddBool(&message, &field, false); break;
        case FieldDescriptor::CPPTYPE_ENUM: reflection.AddEnumValue(&message, &field, 0); break;
        case FieldDescriptor::CPPTYPE_STRING: reflection.AddString(&message, &field, ""); break;
        case FieldDescriptor::CPPTYPE_MESSAGE: reflection.AddMessage(&message, &field); break;
    }
}

void mutate_list(Message& message, const FieldDescriptor& field, Random& random)
{
    constexpr int kMostAdded = 64;
    const Reflection& reflection = *message.GetReflection();
    const int size = reflection.FieldSize(message, &field);
    const std::uint64_t what = below(random, 8);
    if (size == 0 || (what == 0 && size < kMostAdded)) {
        add(message, field);
        Value(message, field, size).mutate(random);
        return;
    }
    const int at = static_cast<int>(below(random, static_cast<std::uint64_t>(size)));
    if (what == 1) {
        reflection.SwapElements(&message, &field, at, size - 1);
        reflection.RemoveLast(&message, &field);
    } else if (what == 2) {
        reflection.SwapElements(&message, &field, at,
                                static_cast<int>(below(random, static_cast<std::uint64_t>(size))));
    } else {
        Value(message, field, at).mutate(random);
    }
}

}  // namespace

std::uint64_t mutate_number(std::uint64_t before, Random& random)
{
    constexpr std::array kBorders{
        std::uint64_t{0},       std::uint64_t{1},       std::uint64_t{4096},    std::uint64_t{1} << 31,
        std::uint64_t{1} << 32, std::uint64_t{1} << 40, std::uint64_t{1} << 63, std::uint64_t{1'000'000'000}};
    switch (below(random, 6)) {
        case 0: return kBorders.at(below(random, kBorders.size()));
        case 1: return kBorders.at(below(random, kBorders.size())) - 1;
        case 2: return before + below(random, 8) - 4;
        case 3: return before ^ (std::uint64_t{1} << below(random, 64));
        case 4: return below(random, 16);
        default: return std::uint64_t{random()} << 33U ^ std::uint64_t{random()} << 11U ^ random();
    }
}

void mutate_message(Message& message, Random& random)
{
    const auto& fields = *message.GetDescriptor();
    if (fields.field_count() == 0) {
        return;
    }
    const Reflection& reflection = *message.GetReflection();
    std::vector<const FieldDescriptor*> set;
    reflection.ListFields(message, &set);
    const bool known = !set.empty() && below(random, 4) != 0;
    const FieldDescriptor& field =
        known ? *set[below(random, set.size())]
              : *fields.field(static_cast<int>(below(random, static_cast<std::uint64_t>(fields.field_count()))));
    if (field.is_repeated()) {
        mutate_list(message, field, random);
    } else if (known && below(random, 8) == 0) {
        reflection.ClearField(&message, &field);
    } else {
        Value(message, field, 0).mutate(random);
    }
}

}  // namespace pinwarden::fuzz
