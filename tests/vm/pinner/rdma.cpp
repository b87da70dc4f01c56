// RDMA memory regions. To show what the device itself finds in a region, a queue pair is connected to itself: what it
// transfers goes through the device, by the region's keys, and by no mapping of this process.
#include <infiniband/verbs.h>
#include <sched.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "device.h"

namespace pinner {
namespace {

using pinwarden::fail;
using pinwarden::system_error;

constexpr std::uint8_t kPort = 1;
constexpr std::uint8_t kRetries = 7;
constexpr std::uint8_t kTimeout = 14;  // 4.096 µs * 2^14

struct Delete {
    void operator()(ibv_context* context) const { ibv_close_device(context); }
    void operator()(ibv_pd* domain) const { ibv_dealloc_pd(domain); }
    void operator()(ibv_cq* queue) const { ibv_destroy_cq(queue); }
    void operator()(ibv_qp* pair) const { ibv_destroy_qp(pair); }
    void operator()(ibv_mr* region) const { ibv_dereg_mr(region); }
};
template <typename T>
using Owned = std::unique_ptr<T, Delete>;

// A queue pair whose other end is itself.
class Loop {
public:
    static Result<std::unique_ptr<Loop>> create(ibv_pd* domain)
    {
        auto self = std::make_unique<Loop>();
        self->completions_.reset(ibv_create_cq(domain->context, 1, nullptr, nullptr, 0));
        if (!self->completions_) {
            return std::unexpected(system_error("ibv_create_cq", errno));
        }
        ibv_qp_init_attr wanted{};
        wanted.send_cq = self->completions_.get();
        wanted.recv_cq = self->completions_.get();
        wanted.cap = {.max_send_wr = 1, .max_recv_wr = 1, .max_send_sge = 1, .max_recv_sge = 1, .max_inline_data = 0};
        wanted.qp_type = IBV_QPT_RC;
        self->pair_.reset(ibv_create_qp(domain, &wanted));
        if (!self->pair_) {
            return std::unexpected(system_error("ibv_create_qp", errno));
        }
        if (auto connected = self->connect(domain->context); !connected) {
            return std::unexpected(connected.error());
        }
        return self;
    }

    // Transfers all of `region` from (IBV_WR_RDMA_READ) or to (IBV_WR_RDMA_WRITE) the device's view of it.
    Result<void> transfer(ibv_wr_opcode opcode, const ibv_mr& near, const ibv_mr& region)
    {
        ibv_sge piece{.addr = reinterpret_cast<std::uintptr_t>(near.addr),
                      .length = static_cast<std::uint32_t>(region.length),
                      .lkey = near.lkey};
        ibv_send_wr request{};
        request.sg_list = &piece;
        request.num_sge = 1;
        request.opcode = opcode;
        request.send_flags = IBV_SEND_SIGNALED;
        request.wr.rdma.remote_addr = reinterpret_cast<std::uintptr_t>(region.addr);
        request.wr.rdma.rkey = region.rkey;
        ibv_send_wr* refused = nullptr;
        if (const int error = ibv_post_send(pair_.get(), &request, &refused); error != 0) {
            return std::unexpected(system_error("ibv_post_send", error));
        }
        ibv_wc done{};
        while (ibv_poll_cq(completions_.get(), 1, &done) == 0) {
            sched_yield();
        }
        if (done.status != IBV_WC_SUCCESS) {
            return fail(std::string("transfer: ") + ibv_wc_status_str(done.status), EIO);
        }
        return {};
    }

private:
    Result<void> connect(ibv_context* context)
    {
        ibv_qp_attr attributes{};
        attributes.qp_state = IBV_QPS_INIT;
        attributes.port_num = kPort;
        attributes.qp_access_flags = IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_WRITE;
        int error = ibv_modify_qp(pair_.get(), &attributes,
                                  IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS);
        attributes.qp_state = IBV_QPS_RTR;
        attributes.path_mtu = IBV_MTU_1024;
        attributes.dest_qp_num = pair_->qp_num;
        attributes.max_dest_rd_atomic = 1;
        attributes.ah_attr.is_global = 1;
        attributes.ah_attr.port_num = kPort;
        attributes.ah_attr.grh.hop_limit = 1;
        if (error == 0 && ibv_query_gid(context, kPort, 0, &attributes.ah_attr.grh.dgid) != 0) {
            error = errno;
        }
        if (error == 0) {
            error = ibv_modify_qp(pair_.get(), &attributes,
                                  IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN |
                                      IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER);
        }
        attributes.qp_state = IBV_QPS_RTS;
        attributes.timeout = kTimeout;
        attributes.retry_cnt = kRetries;
        attributes.rnr_retry = kRetries;
        attributes.max_rd_atomic = 1;
        if (error == 0) {
            error = ibv_modify_qp(pair_.get(), &attributes,
                                  IBV_QP_STATE | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY | IBV_QP_SQ_PSN |
                                      IBV_QP_MAX_QP_RD_ATOMIC);
        }
        if (error != 0) {
            return std::unexpected(system_error("connect a queue pair to itself", error));
        }
        return {};
    }

    Owned<ibv_cq> completions_;
    Owned<ibv_qp> pair_;
};

class Region final : public Registration {
public:
    Region(Owned<ibv_mr> region, std::unique_ptr<Loop>& loop) : region_(std::move(region)), loop_(loop) {}

    Result<std::vector<std::byte>> read() override
    {
        std::vector<std::byte> content(region_->length);
        if (auto done = transfer(IBV_WR_RDMA_READ, content); !done) {
            return std::unexpected(done.error());
        }
        return content;
    }

    Result<void> write(std::span<const std::byte> content) override
    {
        std::vector<std::byte> copy(content.begin(), content.end());
        copy.resize(region_->length);
        return transfer(IBV_WR_RDMA_WRITE, copy);
    }

private:
    Result<void> transfer(ibv_wr_opcode opcode, std::vector<std::byte>& near)
    {
        if (!loop_) {
            auto loop = Loop::create(region_->pd);
            if (!loop) {
                return std::unexpected(loop.error());
            }
            loop_ = std::move(*loop);
        }
        constexpr int kWritable = IBV_ACCESS_LOCAL_WRITE;
        const Owned<ibv_mr> buffer(ibv_reg_mr(region_->pd, near.data(), near.size(), kWritable));
        if (!buffer) {
            return std::unexpected(system_error("ibv_reg_mr of the other end", errno));
        }
        return loop_->transfer(opcode, *buffer, *region_);
    }

    Owned<ibv_mr> region_;
    std::unique_ptr<Loop>& loop_;
};

class Rdma final : public Device {
public:
    Rdma(Owned<ibv_context> context, Owned<ibv_pd> domain, bool on_demand)
        : context_(std::move(context)), domain_(std::move(domain)), on_demand_(on_demand)
    {
    }

    Result<std::unique_ptr<Registration>> pin(std::span<std::byte> memory, Access access) override
    {
        // Being read from afar is no writing: such a region is pinned read-only.
        unsigned flags = IBV_ACCESS_REMOTE_READ | (on_demand_ ? unsigned{IBV_ACCESS_ON_DEMAND} : 0U);
        if (access == Access::kReadWrite) {
            flags |= IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE;
        }
        Owned<ibv_mr> region(ibv_reg_mr(domain_.get(), memory.data(), memory.size(), flags));
        if (!region) {
            return std::unexpected(system_error("ibv_reg_mr", errno));
        }
        return std::make_unique<Region>(std::move(region), loop_);
    }

private:
    Owned<ibv_context> context_;
    Owned<ibv_pd> domain_;
    bool on_demand_;
    std::unique_ptr<Loop> loop_;  // made when it is first needed
};

}  // namespace

Result<std::unique_ptr<Device>> open_rdma(bool on_demand)
{
    int count = 0;
    ibv_device** devices = ibv_get_device_list(&count);
    if (devices == nullptr || count == 0) {
        return fail("there is no RDMA device", ENODEV);
    }
    Owned<ibv_context> context(ibv_open_device(devices[0]));
    ibv_free_device_list(devices);
    if (!context) {
        return std::unexpected(system_error("ibv_open_device", errno));
    }
    Owned<ibv_pd> domain(ibv_alloc_pd(context.get()));
    if (!domain) {
        return std::unexpected(system_error("ibv_alloc_pd", errno));
    }
    return std::make_unique<Rdma>(std::move(context), std::move(domain), on_demand);
}

}  // namespace pinner
