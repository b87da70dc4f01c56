// Certificates made on the spot, for tests of TLS.
#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>

namespace pinwarden::test {

// As PEM.
struct Identity {
    std::string certificate;
    std::string key;
};

class Authority {
public:
    explicit Authority(const std::string& name = "test authority") : key_(new_key()), certificate_(X509_new())
    {
        fill(*certificate_, name, *key_, kHour);
        X509_set_issuer_name(certificate_.get(), X509_get_subject_name(certificate_.get()));
        extend(*certificate_, NID_basic_constraints, "critical,CA:TRUE");
        X509_sign(certificate_.get(), key_.get(), EVP_sha256());
    }

    // `alternative`: as openssl.cnf has subjectAltName: "DNS:a,URI:b"; empty: there are none. It ends `lasts` seconds
    // from now, which may lie behind.
    [[nodiscard]] Identity issue(const std::string& common, const std::string& alternative = "",
                                 long lasts = kHour) const
    {
        const Key key = new_key();
        const Certificate made(X509_new());
        fill(*made, common, *key, lasts);
        X509_set_issuer_name(made.get(), X509_get_subject_name(certificate_.get()));
        if (!alternative.empty()) {
            extend(*made, NID_subject_alt_name, alternative.c_str());
        }
        X509_sign(made.get(), key_.get(), EVP_sha256());
        return {pem(*made), pem(*key)};
    }
    [[nodiscard]] std::string certificate() const { return pem(*certificate_); }

    static constexpr long kHour = 3600;

private:
    template <auto Free>
    struct Freed {
        void operator()(auto* object) const { Free(object); }
    };
    using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
    using Certificate = std::unique_ptr<X509, Freed<X509_free>>;
    using Bio = std::unique_ptr<BIO, Freed<BIO_free>>;

    static Key new_key()
    {
        Key key(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
        return key ? std::move(key) : throw std::runtime_error("OpenSSL makes no key");
    }

    static void fill(X509& certificate, const std::string& common, EVP_PKEY& key, long lasts)
    {
        static std::atomic<long> serial = 1;
        X509_set_version(&certificate, X509_VERSION_3);
        ASN1_INTEGER_set(X509_get_serialNumber(&certificate), serial++);
        X509_gmtime_adj(X509_getm_notBefore(&certificate), -2 * kHour);
        X509_gmtime_adj(X509_getm_notAfter(&certificate), lasts);
        X509_set_pubkey(&certificate, &key);
        X509_NAME_add_entry_by_txt(X509_get_subject_name(&certificate), "CN", MBSTRING_UTF8,
                                   reinterpret_cast<const unsigned char*>(common.c_str()), -1, -1, 0);
    }

    static void extend(X509& certificate, int what, const char* value)
    {
        X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, nullptr, what, value);
        if (extension == nullptr) {
            throw std::runtime_error(std::string("OpenSSL does not understand ") + value);
        }
        X509_add_ext(&certificate, extension, -1);
        X509_EXTENSION_free(extension);
    }

    static std::string text_of(const Bio& bio)
    {
        char* data = nullptr;
        const long size = BIO_get_mem_data(bio.get(), &data);
        return {data, static_cast<std::size_t>(size)};
    }
    static std::string pem(X509& certificate)
    {
        const Bio bio(BIO_new(BIO_s_mem()));
        PEM_write_bio_X509(bio.get(), &certificate);
        return text_of(bio);
    }
    static std::string pem(EVP_PKEY& key)
    {
        const Bio bio(BIO_new(BIO_s_mem()));
        PEM_write_bio_PrivateKey(bio.get(), &key, nullptr, nullptr, 0, nullptr, nullptr);
        return text_of(bio);
    }

    Key key_;
    Certificate certificate_;
};

}  // namespace pinwarden::test
