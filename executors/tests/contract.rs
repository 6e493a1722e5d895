//! What every executor must do, as the same tests on each, and what only one of them can be asked.

#[cfg(test)]
#[path = "contract/account.rs"]
mod account;
#[cfg(test)]
#[path = "contract/archives.rs"]
mod archives;
#[cfg(test)]
#[path = "contract/artifacts.rs"]
mod artifacts;
#[cfg(test)]
#[path = "contract/bash.rs"]
mod bash;
#[cfg(test)]
#[path = "contract/bench.rs"]
mod bench;
#[cfg(test)]
#[path = "contract/cases.rs"]
mod cases;
#[cfg(test)]
#[path = "contract/checks.rs"]
mod checks;
#[cfg(test)]
#[path = "contract/containers.rs"]
mod containers;
#[cfg(test)]
#[path = "contract/crash.rs"]
mod crash;
#[cfg(test)]
#[cfg(feature = "docker")]
#[path = "contract/docker.rs"]
mod docker;
#[cfg(test)]
#[cfg(feature = "docker")]
#[path = "contract/docker_bench.rs"]
mod docker_bench;
#[cfg(test)]
#[cfg(feature = "docker")]
#[path = "contract/docker_images.rs"]
mod docker_images;
#[cfg(test)]
#[cfg(feature = "docker")]
#[path = "contract/docker_late.rs"]
mod docker_late;
#[cfg(test)]
#[cfg(feature = "docker")]
#[path = "contract/docker_outage.rs"]
mod docker_outage;
#[cfg(test)]
#[cfg(feature = "docker")]
#[path = "contract/docker_pulls.rs"]
mod docker_pulls;
#[cfg(test)]
#[cfg(all(feature = "docker", feature = "failpoints"))]
#[path = "contract/failpoints.rs"]
mod failpoints;
#[cfg(test)]
#[path = "contract/orders.rs"]
mod orders;
#[cfg(test)]
#[path = "contract/programs.rs"]
mod programs;
#[cfg(test)]
#[path = "contract/read_only.rs"]
mod read_only;
#[cfg(test)]
#[cfg(feature = "docker")]
#[path = "contract/registry.rs"]
mod registry;
