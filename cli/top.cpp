#include "cli/top.h"

#include <pinwarden/v1/conflicts.grpc.pb.h>
#include <pinwarden/v1/pinwarden.grpc.pb.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <clocale>
#include <cstdio>
#include <ctime>

#include "cli/text.h"
#include "cli/top_model.h"

// Else short words become macros.
#define NCURSES_NOMACROS
#include <curses.h>

namespace pinwarden::cli {
namespace {

constexpr std::chrono::seconds kDeadline{10};
// Conflicts of longer ago do not tell who is in the way now.
constexpr std::uint32_t kLastConflicts = 256;

// A screen that is given back however this ends.
class Screen {
public:
    Screen() : screen_(open())
    {
        if (screen_ != nullptr) {
            cbreak();
            noecho();
            keypad(stdscr, TRUE);
            curs_set(0);
        }
    }
    Screen(const Screen&) = delete;
    Screen& operator=(const Screen&) = delete;
    ~Screen()
    {
        if (screen_ != nullptr) {
            endwin();
            delscreen(screen_);
        }
    }

    [[nodiscard]] bool works() const { return screen_ != nullptr; }

    static void draw(const TopScreen& content, std::size_t first, const std::string& keys)
    {
        erase();
        int line = 0;
        for (const std::string& text : content.head) {
            const bool titles = &text == &content.head.back();
            put(line++, text, titles ? A_REVERSE : A_BOLD, titles);
        }
        for (std::size_t row = first; row < content.rows.size() && line < LINES - 1; ++row) {
            put(line++, content.rows[row], A_NORMAL, false);
        }
        if (content.rows.empty() && line < LINES - 1) {
            put(line, "No pins.", A_NORMAL, false);
        }
        put(LINES - 1, keys, A_DIM, false);
        refresh();
    }

private:
    static SCREEN* open()
    {
        // Else letters beyond ASCII are not drawn.
        std::setlocale(LC_ALL, "");  // NOLINT(concurrency-mt-unsafe): no thread of ours asks for it
        return newterm(nullptr, stdout, stdin);
    }

    static void put(int line, const std::string& text, attr_t look, bool whole)
    {
        attr_set(look, 0, nullptr);
        mvaddnstr(line, 0, text.c_str(), -1);
        if (whole) {
            hline(' ', COLS);
            mvchgat(line, 0, -1, look, 0, nullptr);
        }
        attr_set(A_NORMAL, 0, nullptr);
    }

    SCREEN* screen_;
};

class Source {
public:
    explicit Source(const std::shared_ptr<grpc::Channel>& channel)
        : pins_(v1::PinService::NewStub(channel)), conflicts_(v1::ConflictService::NewStub(channel))
    {
    }

    grpc::Status read(const v1::PinFilter& filter, TopModel& model)
    {
        v1::GroupPinsRequest request;
        *request.mutable_filter() = filter;
        request.set_by(v1::PIN_GROUPING_OWNER);
        v1::GroupPinsResponse owners;
        grpc::Status status = pins_->GroupPins(context().get(), request, &owners);
        if (!status.ok()) {
            return status;
        }
        v1::ListConflictsRequest last;
        last.set_limit(kLastConflicts);
        v1::ListConflictsResponse conflicts;
        status = conflicts_->ListConflicts(context().get(), last, &conflicts);
        if (status.ok()) {
            const std::chrono::duration<double> now = std::chrono::steady_clock::now().time_since_epoch();
            model.take(owners, conflicts, now.count());
        }
        return status;
    }

private:
    static std::unique_ptr<grpc::ClientContext> context()
    {
        auto made = std::make_unique<grpc::ClientContext>();
        made->set_deadline(std::chrono::system_clock::now() + kDeadline);
        return made;
    }

    std::unique_ptr<v1::PinService::Stub> pins_;
    std::unique_ptr<v1::ConflictService::Stub> conflicts_;
};

// To the second.
std::string clock_at(std::int64_t seconds)
{
    const std::string time = clock_time(seconds, 0);
    return time.substr(0, time.find('.'));
}

// What the keys have chosen.
struct View {
    TopSort sort = TopSort::kBytes;
    std::size_t first = 0;
    bool ends = false;
    bool read = false;  // the daemon is to be asked again at once

    void press(int key)
    {
        const auto page = static_cast<std::size_t>(std::max(LINES - 4, 1));
        switch (key) {
            case 'q': ends = true; break;
            case 'b': sort = TopSort::kBytes; break;
            case 'r': sort = TopSort::kRate; break;
            case 'p': sort = TopSort::kPins; break;
            case 'a': sort = TopSort::kAge; break;
            case 'c': sort = TopSort::kConflicts; break;
            case ' ': read = true; break;
            case KEY_DOWN: ++first; break;
            case KEY_UP: first -= first > 0 ? 1 : 0; break;
            case KEY_NPAGE: first += page; break;
            case KEY_PPAGE: first -= std::min(first, page); break;
            case KEY_HOME: first = 0; break;
            default: break;
        }
    }
};

}  // namespace

std::expected<void, std::string> show_top(const TopCommand& command, const std::shared_ptr<grpc::Channel>& channel,
                                          const Style& style)
{
    const std::string otherwise = "; without one there are `pinctl top --once` and `pinctl pins --by pid --watch 2`";
    if (isatty(STDIN_FILENO) != 1 || isatty(STDOUT_FILENO) != 1) {
        return std::unexpected("top needs a terminal" + otherwise);
    }
    Source source(channel);
    TopModel model;
    // Before the screen is taken: what goes wrong at first is told where it can be read.
    if (const grpc::Status status = source.read(command.filter, model); !status.ok()) {
        return std::unexpected(visible(status.error_message()));
    }
    const Screen screen;
    if (!screen.works()) {
        return std::unexpected("top needs a terminal that can move its cursor; is TERM right?" + otherwise);
    }
    using Clock = std::chrono::steady_clock;
    const std::chrono::nanoseconds every(command.every);
    View view;
    for (auto next = Clock::now() + every; !view.ends;) {
        const Style room{.columns = static_cast<std::size_t>(std::max(COLS, 1)), .ellipsis = style.ellipsis};
        const TopScreen content = model.screen(view.sort, room, clock_at(std::time(nullptr)));
        view.first = std::min(view.first, content.rows.empty() ? 0 : content.rows.size() - 1);
        Screen::draw(content, view.first,
                     "q quit  sort: b bytes  r rate  p pins  a age  c conflicts  space now  arrows");
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(next - Clock::now());
        timeout(static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
        const int key = getch();
        view.press(key);
        // A terminal that is gone has no keys, and answers at once.
        if (key == ERR && isatty(STDIN_FILENO) != 1) {
            return {};
        }
        if (view.read || Clock::now() >= next) {
            view.read = false;
            next = Clock::now() + every;
            if (const grpc::Status status = source.read(command.filter, model); !status.ok()) {
                return std::unexpected(visible(status.error_message()));
            }
        }
    }
    return {};
}

std::expected<std::string, std::string> print_top(const TopCommand& command,
                                                  const std::shared_ptr<grpc::Channel>& channel, std::int64_t now,
                                                  const Style& style)
{
    Source source(channel);
    TopModel model;
    if (const grpc::Status status = source.read(command.filter, model); !status.ok()) {
        return std::unexpected(visible(status.error_message()));
    }
    const TopScreen content = model.screen(TopSort::kBytes, style, clock_at(now));
    std::string text;
    for (const std::string& line : content.head) {
        text += line + "\n";
    }
    for (const std::string& line : content.rows) {
        text += line + "\n";
    }
    return content.rows.empty() ? text + "No pins.\n" : text;
}

}  // namespace pinwarden::cli
