// What SIGHUP does, from the files to what is in force.
#include "app/reload.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "support/engine_world.h"
#include "support/publish_fixtures.h"

namespace pinwarden {
namespace {

using test::World;
using Texts = std::vector<std::string>;

std::string policy(const std::string& name, const std::string& mode)
{
    return "name: " + name + "\nmode: " + mode + "\nmatch: {operations: [truncate]}\naction: {deny: {}}\n";
}

Texts states(World& world)
{
    Texts all;
    for (const PolicyState& one : world.engine.snapshot().policies) {
        all.push_back(one.policy.name + " " + one.state);
    }
    return all;
}

// What SIGHUP sets going, with an engine that is at hand.
struct Running {
    explicit Running(const std::string& text)
    {
        write("pinwarden.yaml", text);
        line.config = folder.file("pinwarden.yaml");
        line.config_given = true;
        book.emplace(load_configuration(line).configuration);
        const auto told = [this](const std::string& message) { log.push_back(message); };
        reloader.emplace(line, ReloadMeans{.clock = world.clock,
                                           .book = *book,
                                           .on_engine = [this](const auto& act) { act(world.engine); },
                                           .set_log_level = [this](const std::string& level) { log_level = level; },
                                           .log_info = told,
                                           .log_warning = told,
                                           .log_error = told});
    }

    void write(const std::string& name, const std::string& text) const
    {
        const std::filesystem::path path = folder.file(name);
        std::filesystem::create_directories(path.parent_path());
        std::ofstream(path) << text;
    }

    [[nodiscard]] OptionView option(const std::string& name) const
    {
        const auto options = book->config().options;
        const auto found = std::ranges::find(options, name, &OptionView::name);
        REQUIRE(found != options.end());
        return *found;
    }

    test::TemporaryFolder folder;
    World world;
    CommandLine line;
    std::optional<ConfigBook> book;
    std::optional<Reloader> reloader;
    Texts log;
    std::string log_level = "as it was";
};

}  // namespace

TEST_CASE("a reload puts in force what it can, and tells what waits for a restart", "[reload]")
{
    Running running("leak_after: 1m\nring_size: 16MiB\n");
    CHECK_FALSE(running.book->config().last_reload);
    running.write("pinwarden.yaml", "log_level: debug\nleak_after: 2m\nring_size: 32MiB\n");
    running.write("policies.d/p.yaml", policy("p", "enforce"));
    running.reloader->reload();

    CHECK(states(running.world) == Texts{"p active"});
    CHECK(running.log_level == "debug");
    CHECK(running.option("leak_after").in_force.values == Texts{"2m"});
    CHECK(running.option("leak_after").in_force.origin.line == 2);
    const OptionView ring = running.option("ring_size");
    CHECK(ring.in_force.values == Texts{"16MiB"});
    CHECK(ring.in_force.origin.line == 2);
    REQUIRE(ring.after_restart);
    CHECK(ring.after_restart->values == Texts{"32MiB"});
    CHECK(ring.after_restart->origin.line == 3);
    const std::string waits = "ring_size stays 16MiB until pinwardend is restarted, and is then 32MiB (" +
                              running.folder.file("pinwarden.yaml") + ":3)";
    CHECK(running.log == Texts{waits, "configuration reloaded: 1 policies of files, 1 of them changed"});
    CHECK(running.world.engine.snapshot().notices == Texts{waits});
    CHECK(running.book->config().last_reload->applied);
    CHECK(running.book->config().last_reload->messages == Texts{waits});

    running.write("pinwarden.yaml", "ring_size: 16MiB\n");
    running.reloader->reload();
    CHECK_FALSE(running.option("ring_size").after_restart);
    CHECK(running.option("leak_after").in_force.values == Texts{"30s"});
    CHECK(running.world.engine.snapshot().notices.empty());
}

TEST_CASE("a reload with any mistake changes nothing, and says where the mistakes are", "[reload]")
{
    Running running("leak_after: 1m\n");
    running.write("policies.d/p.yaml", policy("p", "enforce"));
    running.reloader->reload();
    running.log.clear();

    running.write("pinwarden.yaml", "leak_after: 2m\nlog_level: debug\n");
    running.write("policies.d/p.yaml", policy("p", "monitor"));
    SECTION("in the configuration")
    {
        running.write("pinwarden.yaml", "leak_after: soon\nlog_level: debug\n");
        running.reloader->reload();
        CHECK_THAT(running.log.front(), Catch::StartsWith("reload refused: " + running.folder.file("pinwarden.yaml") +
                                                          ":1:13: leak_after: "));
    }
    SECTION("in a policy")
    {
        running.write("policies.d/q.yaml", "name: q\nmood: off\n");
        running.reloader->reload();
        CHECK_THAT(running.log.front(),
                   Catch::StartsWith("reload refused: " + running.folder.file("policies.d/q.yaml") + ":2:1: mood: "));
    }
    SECTION("found by the kernel")
    {
        running.world.sink.failing = {"install"};
        running.reloader->reload();
        CHECK_THAT(running.log.front(), Catch::StartsWith("reload refused: "));
    }
    CHECK(states(running.world) == Texts{"p active"});
    CHECK(running.log_level == "info");
    CHECK(running.option("leak_after").in_force.values == Texts{"1m"});
    CHECK(running.option("log_level").in_force.values == Texts{"info"});
    CHECK_FALSE(running.book->config().last_reload->applied);
    const Texts notices = running.world.engine.snapshot().notices;
    REQUIRE(notices.size() == 1);
    CHECK_THAT(notices[0], Catch::Contains("was refused, and what was in force before stays: "));
    // The flags are as they were, and the next good one makes it all good.
    running.write("pinwarden.yaml", "leak_after: 3m\n");
    std::filesystem::remove(running.folder.file("policies.d/q.yaml"));
    running.world.sink.failing = {};
    running.reloader->reload();
    CHECK(running.option("leak_after").in_force.values == Texts{"3m"});
    CHECK(running.world.engine.snapshot().notices.empty());
    CHECK(states(running.world) == Texts{"p monitoring"});
}

}  // namespace pinwarden
