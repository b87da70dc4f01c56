#include "publish/tls_credentials.h"

#include <grpc/grpc_security.h>
#include <grpc/slice.h>
#include <grpcpp/grpcpp.h>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace pinwarden {
namespace {

// gRPC's own classes read certificates from files as well, but take a key and a certificate that do not belong together
// for what is in force, and refuse everybody until they do. Its C interface asks us for each connection.
struct State {
    std::shared_ptr<TlsReloader> files;
    std::shared_ptr<const CertificateAccess> access;
};

grpc_ssl_certificate_config_reload_status fetch(void* state, grpc_ssl_server_certificate_config** config)
{
    const auto news = static_cast<const State*>(state)->files->news();
    if (!news) {
        return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
    }
    const grpc_ssl_pem_key_cert_pair pair{.private_key = news->key.c_str(), .cert_chain = news->certificate.c_str()};
    *config = grpc_ssl_server_certificate_config_create(news->client_ca.c_str(), &pair, 1);
    return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
}

PeerProperties properties_of(const grpc_auth_context* context)
{
    return [context](const char* name) {
        std::vector<std::string> values;
        grpc_auth_property_iterator properties = grpc_auth_context_find_properties_by_name(context, name);
        while (const grpc_auth_property* const property = grpc_auth_property_iterator_next(&properties)) {
            values.emplace_back(property->value, property->value_length);
        }
        return values;
    };
}

std::string_view text_of(const grpc_slice& slice)
{
    return {reinterpret_cast<const char*>(GRPC_SLICE_START_PTR(slice)), GRPC_SLICE_LENGTH(slice)};
}

// Nothing is waited for, so the answer is given on the spot.
void judge(void* state, grpc_auth_context* context, const grpc_metadata* metadata, std::size_t count,
           grpc_process_auth_metadata_done_cb done, void* call)
{
    std::string_view method;
    for (const grpc_metadata& entry : std::span(metadata, count)) {
        if (text_of(entry.key) == ":path") {
            method = text_of(entry.value);
        }
    }
    const grpc::Status status = static_cast<const State*>(state)->access->may_call(properties_of(context), method);
    done(call, nullptr, 0, nullptr, 0, static_cast<grpc_status_code>(status.error_code()),
         status.ok() ? nullptr : status.error_message().c_str());
}

void forget(void* state)
{
    std::default_delete<State>()(static_cast<State*>(state));
}

class TlsCredentials final : public grpc::ServerCredentials {
public:
    explicit TlsCredentials(std::unique_ptr<State> state)
        : credentials_(grpc_ssl_server_credentials_create_with_options(
              grpc_ssl_server_credentials_create_options_using_config_fetcher(
                  GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY, fetch, state.get())))
    {
        // The state lives as long as gRPC's credentials, which the last connection keeps.
        grpc_server_credentials_set_auth_metadata_processor(
            credentials_, {.process = judge, .destroy = forget, .state = state.release()});
    }
    TlsCredentials(const TlsCredentials&) = delete;
    TlsCredentials& operator=(const TlsCredentials&) = delete;
    ~TlsCredentials() override { grpc_server_credentials_release(credentials_); }

    // There is one already, and it is not to be replaced.
    void SetAuthMetadataProcessor(const std::shared_ptr<grpc::AuthMetadataProcessor>& /*processor*/) override {}

private:
    int AddPortToServer(const std::string& address, grpc_server* server) override
    {
        return grpc_server_add_http2_port(server, address.c_str(), credentials_);
    }

    grpc_server_credentials* credentials_;
};

}  // namespace

std::shared_ptr<grpc::ServerCredentials> tls_credentials(std::shared_ptr<TlsReloader> files,
                                                         std::shared_ptr<const CertificateAccess> access)
{
    return std::make_shared<TlsCredentials>(std::make_unique<State>(std::move(files), std::move(access)));
}

}  // namespace pinwarden
