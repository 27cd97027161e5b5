"""Write k8s/dashboards: `python -m tests.k8s.dashboards`, or `make dashboards`."""

from tests.k8s.dashboards.files import files


def main() -> None:
    """Write a file for each dashboard."""
    for path, content in files().items():
        path.write_text(content)


if __name__ == "__main__":
    main()
