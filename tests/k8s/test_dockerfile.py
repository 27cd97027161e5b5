import re
from collections.abc import Callable

from tests.k8s.rendering import K8S, ROOT, container_of, kustomized, pod_of, workloads_of

DOCKERFILE = (K8S / "Dockerfile").read_text()


def test_the_image_runs_as_the_user_of_the_pods(program: Callable[[str], str]) -> None:
    users = re.findall(r"^USER (\d+):(\d+)$", DOCKERFILE, re.MULTILINE)

    for workload in workloads_of(kustomized(program("kubectl"), K8S / "base")).values():
        context = pod_of(workload)["securityContext"]
        assert users == [(str(context["runAsUser"]), str(context["runAsGroup"]))]


def test_a_pod_runs_the_image_of_its_own_target(program: Callable[[str], str]) -> None:
    for target, workload in workloads_of(kustomized(program("kubectl"), K8S / "base")).items():
        tag = re.search(rf"--target {target} -t (\S+) ", DOCKERFILE)
        assert tag
        assert container_of(workload)["image"] == tag[1]
        assert re.search(rf"^FROM runtime AS {target}$", DOCKERFILE, re.MULTILINE)
        assert re.search(rf'^COPY --from=build-{target} .*\n.*\nCMD \["{target}"\]$', DOCKERFILE, re.MULTILINE)


def test_the_image_is_built_from_existing_files() -> None:
    dockerfile = DOCKERFILE.replace("${LOCK}", "requirements.lock")
    allowed = (ROOT / ".dockerignore").read_text().replace("requirements*.lock", "requirements.lock")

    lines = re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile, re.MULTILINE)
    copied = [source for line in lines for source in line.split()]

    assert copied
    for source in copied:
        assert (ROOT / source).exists()
        assert re.search(rf"^!{re.escape(source)}/?$", allowed, re.MULTILINE), f"{source} is kept out by .dockerignore"
