"""The documentation site: every page is reached, no link is dead, and nothing is fetched from elsewhere."""

from pathlib import Path

import pytest

from tests.docs import site
from tests.docs.built import Page, dead, foreign, read_pages


def test_every_page_is_in_the_navigation_once(tmp_path: Path) -> None:
    site.copy_pages(tmp_path)

    pages = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.md"))

    assert sorted(site.pages_of(site.configuration()["nav"])) == pages, "add it to `nav` in zensical.toml"


@pytest.mark.long
def test_the_site_builds_without_warnings_and_needs_nobody_else(tmp_path: Path) -> None:
    pages = read_pages(site.build(tmp_path / "site"))

    assert len(pages) > 20
    assert dead(pages) == set()
    assert foreign(pages, (tmp_path / "site" / "html").rglob("*.css")) == set()


@pytest.mark.long
def test_a_broken_link_fails_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy_pages = site.copy_pages

    def copy_with_a_broken_link(into: Path) -> None:
        copy_pages(into)
        with (into / "README.md").open("a") as page:
            page.write("\n[Gone](docs/gone.md), [moved](docs/settings.md#moved)\n")

    monkeypatch.setattr(site, "copy_pages", copy_with_a_broken_link)

    with pytest.raises(site.SiteError, match=r"(?s)page does not exist.*anchor does not exist"):
        site.build(tmp_path / "site")


def test_a_link_to_what_the_site_lacks_becomes_text(tmp_path: Path) -> None:
    site.copy_pages(tmp_path)

    assert "[k8s/dashboards]" in (site.ROOT / "CHANGELOG.md").read_text()
    assert "Four Grafana dashboards in k8s/dashboards:" in (tmp_path / "CHANGELOG.md").read_text()


def test_what_a_page_fetches_and_where_it_leads_is_found(tmp_path: Path) -> None:
    (tmp_path / "other.html").write_text('<h2 id="here">Here</h2>')
    (tmp_path / "style.css").write_text("@import 'https://fonts.example.com/a.css'; a { background: url(b.png) }")
    path = tmp_path / "page.html"
    path.write_text(
        '<script src="https://cdn.example.com/x.js"></script><img src="gone.svg"><pre class="mermaid">a</pre>'
        '<a href="other.html#here">1</a><a href="other.html#gone">2</a><a href="https://example.com/">3</a>'
    )
    pages = {path: Page(path), tmp_path / "other.html": Page(tmp_path / "other.html")}

    assert dead(pages) == {("page.html", "gone.svg"), ("page.html", "other.html#gone")}
    assert foreign(pages, tmp_path.rglob("*.css")) == {
        ("page.html", "https://cdn.example.com/x.js"),
        ("page.html", "mermaid"),
        ("style.css", "https://fonts.example.com/a.css"),
    }
