"""The style of the page, for light and dark screens."""

from typing import Final

STYLE: Final = """
:root { --text: #1d2433; --soft: #5b6577; --line: #d9dee7; --ground: #fff; --card: #f4f6fa;
  --c0: #1f5fd6; --c1: #17a2b8; --c2: #e8762c; --c3: #2c9f4b; --c4: #9b4fc9; --c5: #8a93a3; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e6e9ef; --soft: #9aa4b5; --line: #333b49; --ground: #14181f; --card: #1d232d;
    --c0: #6ea0ff; --c1: #3fc6da; --c2: #ff9d5c; --c3: #5ccf7c; --c4: #c58bea; --c5: #7d8798; } }
body { margin: 0; background: var(--ground); color: var(--text); font: 16px/1.6 system-ui, sans-serif; }
header, main { max-width: 780px; margin: 0 auto; padding: 0 20px; }
h1 { margin: 48px 0 20px; font-size: 30px; line-height: 1.2; }
h2 { margin: 56px 0 8px; font-size: 22px; }
h3 { margin: 28px 0 4px; font-size: 16px; }
nav { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 20px 0; font-size: 14px; }
a { color: var(--c0); text-decoration: none; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(160px, 1fr)); gap: 12px; }
.cards p { margin: 0; padding: 14px 16px; border-radius: 10px; background: var(--card); color: var(--soft);
  font-size: 13px; line-height: 1.4; }
.cards b { display: block; color: var(--text); font-size: 30px; line-height: 1.2; }
svg { display: block; width: 100%; height: auto; margin: 8px 0; }
.plane { max-width: 600px; margin: 0 auto; }
svg text { fill: var(--soft); font: 12px system-ui, sans-serif; }
svg .name, svg .value { fill: var(--text); font-size: 13px; }
.grid { stroke: var(--line); fill: none; }
.zero { stroke: var(--soft); }
.line { fill: none; stroke-width: 2.2; }
.band { opacity: .13; }
.whisker { stroke-width: 2.4; }
.diagonal { stroke: var(--soft); stroke-dasharray: 5 5; fill: none; }
.mark { stroke: var(--soft); stroke-dasharray: 3 3; fill: none; }
.shade { fill: var(--c2); opacity: .22; }
.track { fill: var(--soft); opacity: .35; }
.step { fill: none; stroke-width: 2.4; stroke-linecap: round; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 18px; margin: 0 0 8px; color: var(--soft); font-size: 13px; }
.legend i { display: inline-block; width: 10px; height: 10px; margin-right: 6px; border-radius: 50%; }
.scroll { overflow-x: auto; }
table { width: 100%; margin: 20px 0; border-collapse: collapse; font-size: 13px; line-height: 1.35; }
th, td { padding: 6px 8px; border-bottom: 1px solid var(--line); text-align: right; vertical-align: top;
  font-variant-numeric: tabular-nums; }
tbody th, thead th:first-child { text-align: left; font-weight: 600; }
thead th { color: var(--soft); font-weight: 500; }
td small { display: block; color: var(--soft); white-space: nowrap; }
dt { margin-top: 14px; font-weight: 600; }
dd { margin: 0; }
details { color: var(--soft); font-size: 13px; }
code { overflow-wrap: anywhere; }
"""
