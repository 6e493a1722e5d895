//! What containers run: inputs 79 to 102 of the list of bad inputs, as far as a file alone shows them.

use super::{BASH, DOCKER, changed, check};

#[test]
fn images() {
    let table = [
        (
            r#"image: """#,
            r#"web.yml:10: task_definitions[0].containers[0].executor.image: found "", expected an image such as redis:7 or registry.example:5000/team/web@sha256:..."#,
        ),
        (
            "image: UPPER/x",
            r#"web.yml:10: task_definitions[0].containers[0].executor.image: found "UPPER/x", expected an image such as redis:7 or registry.example:5000/team/web@sha256:..."#,
        ),
        (
            r#"image: "a b""#,
            r#"web.yml:10: task_definitions[0].containers[0].executor.image: found "a b", expected an image such as redis:7 or registry.example:5000/team/web@sha256:..."#,
        ),
        (
            "image: x@sha256:short",
            r#"web.yml:10: task_definitions[0].containers[0].executor.image: found "x@sha256:short", expected an image such as redis:7 or registry.example:5000/team/web@sha256:..."#,
        ),
        (
            "image: --privileged",
            r#"web.yml:10: task_definitions[0].containers[0].executor.image: found "--privileged", expected an image such as redis:7 or registry.example:5000/team/web@sha256:..."#,
        ),
        (
            "image: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            r#"web.yml:10: task_definitions[0].containers[0].executor.image: found "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…", expected an image such as redis:7 or registry.example:5000/team/web@sha256:..."#,
        ),
        ("image: a:", "web.yml:10: not valid YAML: mapping values are not allowed in this context"),
        (
            "image: a/",
            r#"web.yml:10: task_definitions[0].containers[0].executor.image: found "a/", expected an image such as redis:7 or registry.example:5000/team/web@sha256:..."#,
        ),
        (
            "image: a//b",
            r#"web.yml:10: task_definitions[0].containers[0].executor.image: found "a//b", expected an image such as redis:7 or registry.example:5000/team/web@sha256:..."#,
        ),
        (
            r#"image: "a:b:c""#,
            r#"web.yml:10: task_definitions[0].containers[0].executor.image: found "a:b:c", expected an image such as redis:7 or registry.example:5000/team/web@sha256:..."#,
        ),
        (
            "image: registry.example:5000/team/web:1.2@sha256:0000000000000000000000000000000000000000000000000000000000000000",
            "fine",
        ),
        ("image: localhost/web", "fine"),
        ("image: tutum/hello-world", "fine"),
        (
            "image: null",
            "web.yml:10: task_definitions[0].containers[0].executor.image: found null, expected an image such as redis:7 or registry.example:5000/team/web@sha256:...",
        ),
        (
            "-image",
            "web.yml:10: task_definitions[0].containers[0].executor.image: missing, expected an image such as redis:7 or registry.example:5000/team/web@sha256:...",
        ),
    ];
    for (input, expect) in table {
        check(&changed(DOCKER, input), expect);
    }
}

#[test]
fn ports() {
    let table = [
        (
            r#"ports: ["5000"]"#,
            r#"web.yml:12: task_definitions[0].containers[0].executor.ports[0]: found "5000", expected host:container, two ports from 1 to 65535, perhaps with /tcp or /udp"#,
        ),
        (
            r#"ports: ["5000:"]"#,
            r#"web.yml:12: task_definitions[0].containers[0].executor.ports[0]: found "5000:", expected host:container, two ports from 1 to 65535, perhaps with /tcp or /udp"#,
        ),
        (
            r#"ports: [":80"]"#,
            r#"web.yml:12: task_definitions[0].containers[0].executor.ports[0]: found ":80", expected host:container, two ports from 1 to 65535, perhaps with /tcp or /udp"#,
        ),
        (
            r#"ports: ["99999:80"]"#,
            r#"web.yml:12: task_definitions[0].containers[0].executor.ports[0]: found "99999:80", expected host:container, two ports from 1 to 65535, perhaps with /tcp or /udp"#,
        ),
        (
            r#"ports: ["1-70000:1-70000"]"#,
            r#"web.yml:12: task_definitions[0].containers[0].executor.ports[0]: found "1-70000:1-70000", expected host:container, two ports from 1 to 65535, perhaps with /tcp or /udp"#,
        ),
        (
            r#"ports: ["0.0.0.0:22:22"]"#,
            r#"web.yml:12: task_definitions[0].containers[0].executor.ports[0]: found "0.0.0.0:22:22", expected host:container, two ports from 1 to 65535, perhaps with /tcp or /udp"#,
        ),
        (
            r#"ports: ["80:80/sctp"]"#,
            r#"web.yml:12: task_definitions[0].containers[0].executor.ports[0]: found "80:80/sctp", expected host:container, two ports from 1 to 65535, perhaps with /tcp or /udp"#,
        ),
        (r#"ports: [5000:5000, "53:53/udp", "53:53/tcp"]"#, "fine"),
        (
            "ports: [22:22]",
            r#"web.yml:12: task_definitions[0].containers[0].executor.ports[0]: found 22:22, which YAML readers take for a number in base 60, expected host:container, two ports from 1 to 65535, perhaps with /tcp or /udp; if it is meant, write "22:22" in quotes"#,
        ),
        (
            r#"ports: ["80:1", "80:2"]"#,
            r#"web.yml:12: task_definitions[0].containers[0].executor.ports[1]: found "80:2", port 80 of the host is already mapped on line 12; choose another port"#,
        ),
        (
            "container_port: 0",
            "web.yml:12: task_definitions[0].containers[0].executor.container_port: found 0, expected a whole number from 1 to 65535",
        ),
    ];
    for (input, expect) in table {
        check(&changed(DOCKER, input), expect);
    }
}

#[test]
fn pulls() {
    let table = [
        ("pull: missing", "fine"),
        ("pull: always", "fine"),
        ("pull: \"never\"", "fine"),
        ("pull: null", "fine"),
        ("pull: IfNotPresent", r#"found "IfNotPresent"{one}; did you mean "missing"?"#),
        ("pull: if_not_present", r#"found "if_not_present"{one}; did you mean "missing"?"#),
        ("pull: Always", r#"found "Always"{one}; did you mean "always"?"#),
        ("pull: NEVER", r#"found "NEVER"{one}; did you mean "never"?"#),
        ("pull: allways", r#"found "allways"{one}; did you mean "always"?"#),
        ("pull: daily", r#"found "daily"{one}"#),
        ("pull: no", "found no{one}"),
        ("pull: true", "found true{one}"),
        ("pull: [always]", "found a list{one}"),
    ];
    for (input, expect) in table {
        let place = "web.yml:12: task_definitions[0].containers[0].executor.pull: ";
        let expect = expect.replace("{one}", ", expected missing, always or never");
        let expect = if expect == "fine" { expect } else { format!("{place}{expect}") };
        check(&changed(DOCKER, input), &expect);
    }
}

#[test]
fn environment() {
    let table = [
        (
            r#"env: ["=x"]"#,
            r#"web.yml:12: task_definitions[0].containers[0].executor.env[0]: found "=x", expected NAME=value, with a name of letters, digits and _ that begins with no digit"#,
        ),
        (
            r#"env: ["A B=1"]"#,
            r#"web.yml:12: task_definitions[0].containers[0].executor.env[0]: found "A B=1", expected NAME=value, with a name of letters, digits and _ that begins with no digit"#,
        ),
        (
            "env: [A]",
            r#"web.yml:12: task_definitions[0].containers[0].executor.env[0]: found "A", expected NAME=value, with a name of letters, digits and _ that begins with no digit"#,
        ),
        (
            r#"env: ["1A=x"]"#,
            r#"web.yml:12: task_definitions[0].containers[0].executor.env[0]: found "1A=x", expected NAME=value, with a name of letters, digits and _ that begins with no digit"#,
        ),
        (
            r#"env: ["A=1", "A=2"]"#,
            r#"web.yml:12: task_definitions[0].containers[0].executor.env[1]: found "A=2", already set on line 12; keep one of the two"#,
        ),
        (
            r#"env: ["A=b\0"]"#,
            r#"web.yml:12: task_definitions[0].containers[0].executor.env[0]: found "A=b\0", which holds the control character \u{0}, expected NAME=value, with a name of letters, digits and _ that begins with no digit; remove it"#,
        ),
        (r#"env: ["A=", "_b=c=d"]"#, "fine"),
        (
            "env: {A: b}",
            "web.yml:12: task_definitions[0].containers[0].executor.env: found an object, expected a list",
        ),
    ];
    for (input, expect) in table {
        check(&changed(DOCKER, input), expect);
    }
}

#[test]
fn volumes_and_directories() {
    let table = [
        (
            r#"volumes: ["relative:/x"]"#,
            r#"web.yml:12: task_definitions[0].containers[0].executor.volumes[0]: found "relative:/x", expected host:container or host:container:ro, two absolute paths without .."#,
        ),
        (
            r#"volumes: ["/ok/../etc:/x"]"#,
            r#"web.yml:12: task_definitions[0].containers[0].executor.volumes[0]: found "/ok/../etc:/x", expected host:container or host:container:ro, two absolute paths without .."#,
        ),
        (
            r#"volumes: ["/ok:/"]"#,
            r#"web.yml:12: task_definitions[0].containers[0].executor.volumes[0]: found "/ok:/", expected host:container or host:container:ro, two absolute paths without .."#,
        ),
        (
            r#"volumes: ["/ok:/x:ro:rw"]"#,
            r#"web.yml:12: task_definitions[0].containers[0].executor.volumes[0]: found "/ok:/x:ro:rw", expected host:container or host:container:ro, two absolute paths without .."#,
        ),
        (
            r#"volumes: ["/ok:/x:z"]"#,
            r#"web.yml:12: task_definitions[0].containers[0].executor.volumes[0]: found "/ok:/x:z", expected host:container or host:container:ro, two absolute paths without .."#,
        ),
        (
            r#"volumes: ["/ok"]"#,
            r#"web.yml:12: task_definitions[0].containers[0].executor.volumes[0]: found "/ok", expected host:container or host:container:ro, two absolute paths without .."#,
        ),
        (r#"volumes: ["/ok:/x:ro"]"#, "fine"),
        (
            "work_dir: /proc/self/fd/8",
            r#"web.yml:12: task_definitions[0].containers[0].executor.work_dir: found "/proc/self/fd/8", expected an absolute path without .. and not below /proc"#,
        ),
        (
            "work_dir: relative",
            r#"web.yml:12: task_definitions[0].containers[0].executor.work_dir: found "relative", expected an absolute path without .. and not below /proc"#,
        ),
        (
            "work_dir: /a/../b",
            r#"web.yml:12: task_definitions[0].containers[0].executor.work_dir: found "/a/../b", expected an absolute path without .. and not below /proc"#,
        ),
        (
            "work_dir: //./proc/1",
            r#"web.yml:12: task_definitions[0].containers[0].executor.work_dir: found "//./proc/1", expected an absolute path without .. and not below /proc"#,
        ),
        ("work_dir: /srv", "fine"),
    ];
    for (input, expect) in table {
        check(&changed(DOCKER, input), expect);
    }
}

#[test]
fn commands() {
    let table = [
        (
            r#"cmd: [""]"#,
            r#"web.yml:12: task_definitions[0].containers[0].executor.cmd[0]: found "", expected a command or an argument that is not empty"#,
        ),
        (
            r#"cmd: ["a\0"]"#,
            r#"web.yml:12: task_definitions[0].containers[0].executor.cmd[0]: found "a\0", which holds the control character \u{0}, expected a command or an argument that is not empty; remove it"#,
        ),
        (
            "cmd: run",
            r#"web.yml:12: task_definitions[0].containers[0].executor.cmd: found "run", expected a list"#,
        ),
        (
            "cmd: [yes]",
            r#"web.yml:12: task_definitions[0].containers[0].executor.cmd[0]: found yes, which YAML readers take for a truth value, expected a command or an argument that is not empty; if it is meant, write "yes" in quotes"#,
        ),
        (r#"cmd: ["yes"]"#, "fine"),
        (r#"entry: """#, "fine"),
        (
            r#"name: "a b""#,
            r#"web.yml:12: task_definitions[0].containers[0].executor.name: found "a b", expected a name of 1 to 128 letters, digits, _, . and -, beginning with a letter or digit"#,
        ),
    ];
    for (input, expect) in table {
        check(&changed(DOCKER, input), expect);
    }
}

#[test]
fn bash() {
    let table = [
        (
            "start: []",
            "web.yml:10: task_definitions[0].containers[0].executor.start: found a list, with 0 elements, expected a list of at least one command",
        ),
        (
            "-start",
            "web.yml:10: task_definitions[0].containers[0].executor.start: missing, expected a list of at least one command",
        ),
        (
            r#"start: [""]"#,
            r#"web.yml:10: task_definitions[0].containers[0].executor.start[0]: found "", expected a command"#,
        ),
        (
            r#"start: ["\e"]"#,
            r#"web.yml:10: task_definitions[0].containers[0].executor.start[0]: found "\u{1b}", which holds the control character \u{1b}, expected a command; remove it"#,
        ),
        (
            "start: run",
            r#"web.yml:10: task_definitions[0].containers[0].executor.start: found "run", expected a list of at least one command"#,
        ),
        (
            r#"stop: [" "]"#,
            r#"web.yml:11: task_definitions[0].containers[0].executor.stop[0]: found " ", expected a command"#,
        ),
        (
            "user: root",
            "web.yml:12: task_definitions[0].containers[0].executor.user: unknown field, expected start, stop, env, artifact, checksum, download_dir or unpack",
        ),
    ];
    for (input, expect) in table {
        check(&changed(BASH, input), expect);
    }
}

#[test]
fn artifacts() {
    let table = [
        (
            "artifact: http://download.com",
            "web.yml:10: task_definitions[0].containers[0].executor.checksum: missing, expected the artifact's checksum: sha256: and 64 hexadecimal digits",
        ),
        (
            "download_dir: /usr/local/bin",
            r#"web.yml:12: task_definitions[0].containers[0].executor.download_dir: found "/usr/local/bin", expected a path relative to the task's own directory, without .."#,
        ),
        (
            "download_dir: ../x",
            r#"web.yml:12: task_definitions[0].containers[0].executor.download_dir: found "../x", expected a path relative to the task's own directory, without .."#,
        ),
        (
            "download_dir: a/../../x",
            r#"web.yml:12: task_definitions[0].containers[0].executor.download_dir: found "a/../../x", expected a path relative to the task's own directory, without .."#,
        ),
        ("download_dir: bin", "fine"),
        (
            "unpack: true",
            r#"web.yml:12: task_definitions[0].containers[0].executor.unpack: found true, without an artifact; remove it, or name the artifact"#,
        ),
        (
            "checksum: sha256:0000000000000000000000000000000000000000000000000000000000000000",
            r#"web.yml:12: task_definitions[0].containers[0].executor.checksum: found "sha256:000000000000000000000000000000000…", without an artifact; remove it, or name the artifact"#,
        ),
    ];
    for (input, expect) in table {
        check(&changed(BASH, input), expect);
    }
}

#[test]
fn artifacts_with_checksums() {
    let table = [
        (
            "artifact: \"https://a/b\"\n      checksum: \"sha256:0000000000000000000000000000000000000000000000000000000000000000\"",
            "fine",
        ),
        (
            "artifact: \"https://a/b\"\n      unpack: yes\n      checksum: \"sha256:0000000000000000000000000000000000000000000000000000000000000000\"",
            r#"web.yml:13: task_definitions[0].containers[0].executor.unpack: found yes, expected true or false; write true"#,
        ),
        (
            "artifact: \"https://a/b\"\n      unpack: true\n      checksum: \"sha256:0000000000000000000000000000000000000000000000000000000000000000\"",
            "fine",
        ),
        (
            "artifact: \"https://a/b\"\n      checksum: \"sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"",
            "fine",
        ),
        (
            "artifact: \"https://a/b\"\n      checksum: \"md5:00000000000000000000000000000000\"",
            r#"web.yml:13: task_definitions[0].containers[0].executor.checksum: found "md5:00000000000000000000000000000000", expected the artifact's checksum: sha256: and 64 hexadecimal digits; run sha256sum on the artifact"#,
        ),
        (
            "artifact: \"https://a/b\"\n      checksum: \"sha256:0\"",
            r#"web.yml:13: task_definitions[0].containers[0].executor.checksum: found "sha256:0", expected the artifact's checksum: sha256: and 64 hexadecimal digits; run sha256sum on the artifact"#,
        ),
        (
            "artifact: \"file:///etc/shadow\"\n      checksum: \"sha256:0000000000000000000000000000000000000000000000000000000000000000\"",
            r#"web.yml:12: task_definitions[0].containers[0].executor.artifact: found "file:///etc/shadow", expected a URL such as http://web.example/health or https://10.0.0.7/"#,
        ),
        (
            "artifact: \"http://169.254.169.254/\"\n      checksum: \"sha256:0000000000000000000000000000000000000000000000000000000000000000\"",
            r#"web.yml:12: task_definitions[0].containers[0].executor.artifact: found "http://169.254.169.254/", a link-local address, where clouds keep their secrets, expected a URL such as http://web.example/health or https://10.0.0.7/"#,
        ),
        (
            "artifact: \"git::https://a\"\n      checksum: \"sha256:0000000000000000000000000000000000000000000000000000000000000000\"",
            r#"web.yml:12: task_definitions[0].containers[0].executor.artifact: found "git::https://a", expected a URL such as http://web.example/health or https://10.0.0.7/"#,
        ),
    ];
    for (input, expect) in table {
        check(&changed(BASH, input), expect);
    }
}
