#include "recording/recording_file.h"

#include <fcntl.h>
#include <google/protobuf/io/gzip_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl.h>
#include <google/protobuf/util/delimited_message_util.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>
#include <utility>

#include "base/fd.h"

namespace pinwarden {
namespace {

namespace io = google::protobuf::io;

constexpr std::uint32_t kFormat = 1;
// Nothing that a daemon sends is as large by far.
constexpr std::uint32_t kLargestMessage = 64U << 20U;

class GzipWriter final : public RecordingWriter {
public:
    GzipWriter(std::string path, OwnedFd file)
        : path_(std::move(path)), fd_(std::move(file)), file_(fd_.get()), gzip_(&file_)
    {
    }

    Result<void> write(const v1::RecordResponse& part) override
    {
        ++parts_;
        return google::protobuf::util::SerializeDelimitedToZeroCopyStream(part, &gzip_) ? Result<void>() : failed();
    }

    Result<void> flush() override { return gzip_.Flush() && file_.Flush() ? Result<void>() : failed(); }

    Result<void> finish() override
    {
        v1::RecordResponse last;
        last.mutable_end()->set_parts(parts_);
        if (const auto written = write(last); !written) {
            return written;
        }
        if (!gzip_.Close() || !file_.Flush() || fsync(fd_.get()) != 0) {
            return failed();
        }
        return {};
    }

    [[nodiscard]] std::uint64_t bytes() const override { return static_cast<std::uint64_t>(file_.ByteCount()); }

private:
    [[nodiscard]] Result<void> failed() const
    {
        const int error = file_.GetErrno() != 0 ? file_.GetErrno() : errno;
        return std::unexpected(system_error("write the recording " + path_, error));
    }

    std::string path_;
    OwnedFd fd_;
    io::FileOutputStream file_;
    io::GzipOutputStream gzip_;
    std::uint64_t parts_ = 0;
};

class GzipReader final : public RecordingReader {
public:
    GzipReader(std::string path, OwnedFd file)
        : path_(std::move(path)), fd_(std::move(file)), file_(fd_.get()), gzip_(&file_)
    {
    }

    Result<void> begin()
    {
        auto first = next();
        if (!first || !*first || !(*first)->has_head()) {
            return fail(path_ +
                            " is no recording of pinwarden, or was cut off before anything was in it; `pinctl "
                            "record FILE` makes one",
                        EINVAL);
        }
        head_ = (*first)->head();
        if (head_.format() != kFormat) {
            return fail(path_ + " is a recording of format " + std::to_string(head_.format()) +
                            ", and this program reads format " + std::to_string(kFormat) +
                            ": it was made by pinwarden " + head_.pinwarden_version() + ", use that one's",
                        EPROTONOSUPPORT);
        }
        return {};
    }

    [[nodiscard]] const v1::RecordingHead& head() const override { return head_; }

    Result<std::optional<v1::RecordResponse>> next() override
    {
        io::CodedInputStream in(&gzip_);
        in.SetTotalBytesLimit(kLargestMessage);
        std::uint32_t bytes = 0;
        const auto before = gzip_.ByteCount();
        if (!in.ReadVarint32(&bytes)) {
            return damaged(before);
        }
        v1::RecordResponse part;
        const auto limit = in.PushLimit(static_cast<int>(bytes));
        if (bytes > kLargestMessage || !part.ParseFromCodedStream(&in) || !in.ConsumedEntireMessage() ||
            in.BytesUntilLimit() != 0) {
            return damaged(before);
        }
        in.PopLimit(limit);
        if (part.has_end()) {
            return part.end().parts() == parts_ ? Result<std::optional<v1::RecordResponse>>(std::nullopt)
                                                : damaged(before);
        }
        ++parts_;
        return part;
    }

private:
    [[nodiscard]] std::unexpected<Error> damaged(std::int64_t position) const
    {
        const std::string where = " after " + std::to_string(position) + " bytes of its uncompressed content";
        if (file_.GetErrno() != 0) {
            return std::unexpected(system_error("read the recording " + path_, file_.GetErrno()));
        }
        return fail(path_ + " ends in the middle, or is damaged," + where +
                        ": whoever recorded was killed, or it was not copied whole. What comes before is shown",
                    EILSEQ);
    }

    std::string path_;
    OwnedFd fd_;
    io::FileInputStream file_;
    io::GzipInputStream gzip_;
    std::uint64_t parts_ = 0;
    v1::RecordingHead head_;
};

}  // namespace

Result<std::unique_ptr<RecordingWriter>> RecordingWriter::create(const std::string& path, bool replace)
{
    const int how = O_WRONLY | O_CREAT | O_CLOEXEC | (replace ? O_TRUNC : O_EXCL);
    OwnedFd file(open(path.c_str(), how, 0600));
    if (!file.valid()) {
        const int error = errno;
        Error failed = system_error("make the recording " + path, error);
        if (error == EEXIST) {
            failed.message += "; choose another name, or --force to replace it";
        }
        return std::unexpected(failed);
    }
    return std::make_unique<GzipWriter>(path, std::move(file));
}

Result<std::unique_ptr<RecordingReader>> RecordingReader::open(const std::string& path)
{
    OwnedFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.valid()) {
        return std::unexpected(system_error("read the recording " + path, errno));
    }
    auto reader = std::make_unique<GzipReader>(path, std::move(file));
    if (auto begun = reader->begin(); !begun) {
        return std::unexpected(begun.error());
    }
    return reader;
}

}  // namespace pinwarden
