// TLS with certificates on both sides, for a gRPC server.
#pragma once

#include <grpcpp/security/server_credentials.h>

#include <memory>

#include "publish/certificate_access.h"
#include "publish/tls_files.h"

namespace pinwarden {

// A client without a certificate of the authority that the files name, or with an expired one, does not get a
// connection; each call of one that does is let in by `access`, before any service sees it. Each new connection is
// answered with what the files hold at that moment.
std::shared_ptr<grpc::ServerCredentials> tls_credentials(std::shared_ptr<TlsReloader> files,
                                                         std::shared_ptr<const CertificateAccess> access);

}  // namespace pinwarden
