#include "publish/convert_parts.h"

#include <google/protobuf/util/time_util.h>
#include <unistd.h>

#include "ledger/pod_of_cgroup.h"
#include "publish/convert.h"

namespace pinwarden {

using google::protobuf::util::TimeUtil;

google::protobuf::Timestamp Times::timestamp(Nanoseconds boot) const
{
    return TimeUtil::NanosecondsToTimestamp(static_cast<std::int64_t>(boot + boot_to_unix));
}

google::protobuf::Duration Times::age(Nanoseconds boot) const
{
    return TimeUtil::NanosecondsToDuration(static_cast<std::int64_t>(now > boot ? now - boot : 0));
}

void set_process(const Task& task, bool exited, const Times& times, v1::Process& out)
{
    out.set_pid(task.process.pid);
    out.set_tid(task.tid);
    out.set_uid(task.uid);
    out.set_comm(valid_utf8(task.comm));
    *out.mutable_start_time() = times.timestamp(task.process.start_time);
    out.set_cgroup_id(task.cgroup);
    out.set_exited(exited);
    out.set_gid(task.gid);
    if (task.names) {
        out.set_cgroup_path(valid_utf8(task.names->cgroup));
        out.set_container_id(valid_utf8(task.names->container));
        out.set_pod_uid(valid_utf8(pod_of_cgroup(task.names->cgroup)));
        out.set_executable(valid_utf8(task.names->executable));
        out.set_executable_deleted(task.names->executable_deleted);
    }
}

void set_file(const FileKey& key, const FileName& name, v1::File& out)
{
    out.set_path(valid_utf8(name.path));
    out.set_deleted(name.deleted);
    out.set_device_major(key.device_major());
    out.set_device_minor(key.device_minor());
    out.set_inode(key.inode);
    out.set_generation(key.generation);
    out.set_filesystem(valid_utf8(name.filesystem));
}

}  // namespace pinwarden
