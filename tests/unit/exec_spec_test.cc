// SPDX-License-Identifier: MIT
#include "policy/exec_spec.h"

#include "config/codec.h"

#include "support/catch.h"

using namespace superd;

namespace {

ServicePlan handler() {
    ServicePlan service;
    service.name = "finger";
    service.exec.argv = {"/usr/sbin/in.fingerd", "-w"};
    service.exec.identity.change = true;
    service.exec.identity.uid = service.exec.identity.gid = 65534;
    service.exec.identity.groups = {1, 2};
    service.exec.umask = 027;
    service.exec.nice = 5;
    service.exec.root = "/srv";
    service.exec.cpu_affinity = {0, 1};
    service.launch_timeout = std::chrono::seconds(7);
    return service;
}

}  // namespace

TEST_CASE("exec spec: superd-exec steps in only where something asks for it") {
    ServicePlan service = handler();
    CHECK_FALSE(may_step_in(service));
    service.admission.banner.text = "hello\n";
    CHECK(may_step_in(service));
    CHECK_FALSE(always_steps_in(service));
    for (int i = 0; i < 3; ++i) {
        ServicePlan one = handler();
        if (i == 0) one.admission.tcp_wrappers = true;
        if (i == 1) one.exec.peer_label = true;
        if (i == 2) one.admission.banner_admitted.text = "welcome\n";
        CHECK(always_steps_in(one));
        one.mode = Mode::worker;
        CHECK_FALSE(may_step_in(one));
    }
    // A file that was not there is nothing to send.
    service = handler();
    service.admission.banner_admitted.path = "/etc/missing";
    CHECK_FALSE(may_step_in(service));
}

TEST_CASE("exec spec: a sandbox with namespaces or Landlock is superd-exec's, of every mode") {
    for (const Mode mode : {Mode::handler, Mode::worker, Mode::daemon}) {
        for (int i = 0; i < 4; ++i) {
            ServicePlan service = handler();
            service.mode = mode;
            SandboxPlan& sandbox = service.exec.sandbox;
            sandbox.no_new_privs = sandbox.lock_personality = true;
            CHECK_FALSE(may_step_in(service));
            if (i == 0) sandbox.private_tmp = true;
            if (i == 1) sandbox.private_network = true;
            if (i == 2) sandbox.landlock_read = {"/"};
            if (i == 3) sandbox.inaccessible_paths = {"/srv"};
            CHECK(always_steps_in(service));
        }
    }
}

TEST_CASE("exec spec: what superd makes for the service it may write to") {
    ServicePlan service = handler();
    service.exec.state_directory = {"a", "b"};
    service.exec.sandbox.protect_system = ProtectSystem::full;
    CHECK(make_exec_spec(service, *make_spawn_plan(service, {}))
                    .sandbox.read_write_paths.empty());
    service.exec.sandbox.protect_system = ProtectSystem::strict;
    CHECK(make_exec_spec(service, *make_spawn_plan(service, {})).sandbox.read_write_paths ==
            std::vector<std::string>{"/var/lib/a", "/var/lib/b"});
}

TEST_CASE("exec spec: it comes back from its bytes, and gives the spawn plan it was made of") {
    ServicePlan service = handler();
    service.admission.tcp_wrappers = true;
    service.admission.banner.text = "b";
    service.admission.banner_refused.text = "no\n";
    service.admission.refuse_text = "later\n";
    const auto spawn = make_spawn_plan(service, {});
    const ExecSpec spec = make_exec_spec(service, *spawn);
    CHECK(spec.refusal == "no\nlater\n");
    CHECK(spec.daemon == "in.fingerd");
    const std::string bytes = encode_exec_spec(spec);
    const auto back = decode_exec_spec(bytes);
    REQUIRE(back);
    CHECK(*back == spec);
    CHECK_FALSE(decode_exec_spec(std::string_view(bytes).substr(0, bytes.size() - 1)));
    CHECK_FALSE(decode_exec_spec(std::string_view("SUPERDXS")));
    const auto again = spawn_plan_of(*back);
    CHECK(again->program == spawn->program);
    CHECK(again->argv == spawn->argv);
    CHECK(again->fixed_environment == spawn->fixed_environment);
    CHECK(again->identity == spawn->identity);
    CHECK(again->umask == spawn->umask);
    CHECK(again->nice == spawn->nice);
    CHECK(again->root == spawn->root);
    CHECK(again->directory == spawn->directory);
    CHECK(again->cpu_affinity == spawn->cpu_affinity);
    CHECK(again->launch_timeout == spawn->launch_timeout);
}

TEST_CASE("exec spec: the name for hosts.allow is the written one, else the program's own") {
    ServicePlan service = handler();
    CHECK(wrappers_name(service) == "in.fingerd");
    service.exec.argv0 = "fingerd";
    CHECK(wrappers_name(service) == "fingerd");
    service.exec.argv0 = "/opt/bin/other";
    CHECK(wrappers_name(service) == "other");
    service.admission.tcp_wrappers_name = "written";
    CHECK(wrappers_name(service) == "written");
    service = {};
    service.name = "echo";
    CHECK(wrappers_name(service) == "echo");
}

TEST_CASE("exec spec: a label is one's own but for the range, which is the peer's") {
    CHECK(with_range_of("system_u:system_r:superd_t:s0-s15:c0.c1023",
                  "user_u:user_r:user_t:s3:c1,c2") == "system_u:system_r:superd_t:s3:c1,c2");
    CHECK(with_range_of("a:b:c:s0", "a:b:c:s1") == "a:b:c:s1");
    CHECK(with_range_of("a:b:c", "a:b:c:s1") == "");
    CHECK(with_range_of("a:b:c:s0", "a:b:c") == "");
    CHECK(with_range_of("a:b:c:s0", "a:b:c:") == "");
    CHECK(with_range_of("", "") == "");
}
