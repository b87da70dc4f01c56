// How far an audit or a census is, for who waits at a terminal.
#pragma once

#include <pinwarden/v1/pinwarden.pb.h>

#include <ostream>
#include <string>

namespace pinwarden::cli {

// "looking at memory: 42 % of 2097152 pages". Without a line's end.
std::string progress_text(const v1::AuditProgress& progress);

// One line, written over each time, and gone at the end.
class ProgressLine {
public:
    // `out`: a terminal, which must outlive this.
    explicit ProgressLine(std::ostream& out) : out_(out) {}
    ProgressLine(const ProgressLine&) = delete;
    ProgressLine& operator=(const ProgressLine&) = delete;
    ~ProgressLine() { clear(); }

    void show(const std::string& text);
    void clear();

private:
    std::ostream& out_;
    bool shown_ = false;
};

}  // namespace pinwarden::cli
