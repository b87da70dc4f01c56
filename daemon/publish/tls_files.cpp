#include "publish/tls_files.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <memory>
#include <utility>

namespace pinwarden {
namespace {

template <auto Free>
struct Freed {
    void operator()(auto* object) const { Free(object); }
};
using Bio = std::unique_ptr<BIO, Freed<BIO_free>>;
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;

// Nobody is there to type one.
int no_passphrase(char* /*buffer*/, int /*size*/, int /*writing*/, void* /*context*/)
{
    return -1;
}

Bio bytes(const std::string& pem)
{
    return Bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

Result<std::string> read_whole(const std::string& path, const char* option)
{
    constexpr std::size_t kMost = 1U << 20U;
    std::ifstream file(path, std::ios::binary);
    // Reading is what fails for a folder, not opening.
    if (!file || (file.peek() == std::ifstream::traits_type::eof() && file.bad())) {
        return std::unexpected(system_error("read " + path + ", which is " + option, errno));
    }
    std::string text(kMost + 1, '\0');
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(file.gcount()));
    if (text.size() > kMost) {
        return fail(path + ", which is " + option + ", has more than 1 MiB: it is no such file", EINVAL);
    }
    return text;
}

Result<Certificate> first_certificate(const std::string& pem, const std::string& path, const char* option)
{
    const Bio bio = bytes(pem);
    Certificate certificate(PEM_read_bio_X509(bio.get(), nullptr, no_passphrase, nullptr));
    ERR_clear_error();
    if (!certificate) {
        return fail(path + ", which is " + option + ", holds no certificate in PEM (-----BEGIN CERTIFICATE-----)",
                    EINVAL);
    }
    return certificate;
}

Result<void> check_key(const TlsFiles& files, const TlsMaterial& material, X509& certificate)
{
    const Bio bio = bytes(material.key);
    const Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr));
    const bool fits = key && X509_check_private_key(&certificate, key.get()) == 1;
    ERR_clear_error();
    if (!key) {
        return fail(files.key + ", which is --tls-key, holds no private key in PEM without a passphrase", EINVAL);
    }
    if (!fits) {
        return fail(files.key + " is not the key of the certificate in " + files.certificate +
                        ": --tls-key and --tls-certificate must belong together",
                    EINVAL);
    }
    struct stat status{};
    if (stat(files.key.c_str(), &status) == 0 && (status.st_mode & S_IROTH) != 0) {
        return fail(files.key + ", which is --tls-key, can be read by everybody: chmod o= " + files.key, EPERM);
    }
    return {};
}

std::string fingerprint(const TlsFiles& files)
{
    std::string text;
    for (const std::string* const path : {&files.certificate, &files.key, &files.client_ca}) {
        struct stat status{};
        if (stat(path->c_str(), &status) != 0) {
            text += "missing;";
            continue;
        }
        for (const auto number :
             std::to_array<long long>({static_cast<long long>(status.st_dev), static_cast<long long>(status.st_ino),
                                       status.st_size, status.st_mode, status.st_mtim.tv_sec, status.st_mtim.tv_nsec,
                                       status.st_ctim.tv_sec, status.st_ctim.tv_nsec})) {
            text += std::to_string(number) + ",";
        }
        text += ";";
    }
    return text;
}

}  // namespace

Result<TlsMaterial> load_tls(const TlsFiles& files)
{
    TlsMaterial material;
    for (const auto& [path, option, text] : {std::tuple{&files.certificate, "--tls-certificate", &material.certificate},
                                             std::tuple{&files.key, "--tls-key", &material.key},
                                             std::tuple{&files.client_ca, "--tls-client-ca", &material.client_ca}}) {
        auto read = read_whole(*path, option);
        if (!read) {
            return std::unexpected(read.error());
        }
        *text = std::move(*read);
    }
    const auto own = first_certificate(material.certificate, files.certificate, "--tls-certificate");
    if (!own) {
        return std::unexpected(own.error());
    }
    if (const auto ca = first_certificate(material.client_ca, files.client_ca, "--tls-client-ca"); !ca) {
        return std::unexpected(ca.error());
    }
    if (const auto checked = check_key(files, material, **own); !checked) {
        return std::unexpected(checked.error());
    }
    return material;
}

std::optional<TlsMaterial> TlsReloader::news()
{
    const std::scoped_lock lock(mutex_);
    std::string now = fingerprint(files_);
    if (now == seen_) {
        return std::nullopt;
    }
    auto material = load_tls(files_);
    if (fingerprint(files_) != now) {
        // Somebody is at it: they are looked at again with the next connection.
        return std::nullopt;
    }
    seen_ = std::move(now);
    if (!material) {
        warn_(material.error().message + "; what was there before stays in use");
        return std::nullopt;
    }
    if (last_ == *material) {
        return std::nullopt;
    }
    last_ = *material;
    return *std::move(material);
}

}  // namespace pinwarden
