"""How the page of a report looks: plain, on a phone as on a screen, light or dark as the reader's system is."""

CSS = """
:root {
  color-scheme: light dark;
  --ground: #fbfbfa; --panel: #ffffff; --text: #1b1d21; --quiet: #63686f; --line: #e3e4e6;
  --accent: #2f6db3; --soft: #2f6db31a; --better: #1d7a43; --worse: #b3372c;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #15171a; --panel: #1d2024; --text: #e6e7e9; --quiet: #9aa0a8; --line: #32363c;
    --accent: #7fb2ec; --soft: #7fb2ec26; --better: #6cc78f; --worse: #ef8a80;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; max-width: 78rem; padding: 2.5rem 1.25rem 4rem; background: var(--ground); color: var(--text);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; font-variant-numeric: tabular-nums;
}
small { display: block; color: var(--quiet); font-size: .75rem; font-weight: 400; letter-spacing: 0; }
h1 { margin: 0; font-size: 1.75rem; line-height: 1.25; letter-spacing: -.01em; }
h1 small { font-size: .85rem; }
h2 { margin: 2.75rem 0 .35rem; font-size: 1.15rem; }
p { max-width: 48rem; margin: .35rem 0 .9rem; color: var(--quiet); }
dl { margin: 1.25rem 0 0; }
dd { margin: 0; }
.facts { display: flex; flex-wrap: wrap; gap: .75rem 2.25rem; }
.facts dt { color: var(--quiet); font-size: .8rem; }
.facts dd { font-size: 1.25rem; font-weight: 600; }
.panel, figure { background: var(--panel); border: 1px solid var(--line); border-radius: 10px; }
.panel { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; font-size: .875rem; }
th, td { padding: .5rem .8rem; text-align: right; white-space: nowrap; vertical-align: top; }
thead th { min-width: 6.5rem; color: var(--quiet); font-weight: 500; vertical-align: bottom; white-space: normal; }
tbody tr > * { border-top: 1px solid var(--line); }
th:first-child { position: sticky; left: 0; z-index: 1; background: var(--panel); text-align: left; }
tbody th { white-space: nowrap; }
tbody th, .best { font-weight: 650; }
.champion > * { background: linear-gradient(var(--soft), var(--soft)), var(--panel) !important; }
.better { color: var(--better); }
.worse { color: var(--worse); }
.bar { position: relative; display: block; min-width: 7rem; height: 8px; margin-top: .3rem; }
.bar::before { content: ""; position: absolute; inset: 3.5px 0; background: var(--line); }
.bar i, .bar b { position: absolute; background: var(--accent); }
.bar i { top: 2.5px; height: 3px; border-radius: 2px; opacity: .5; }
.bar b { width: 8px; height: 8px; margin-left: -4px; border-radius: 50%; }
.figures, .terms { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); gap: 1rem; }
.figures { margin-top: 1.5rem; align-items: start; }
figure { margin: 0; padding: .9rem; }
figcaption { margin-bottom: .4rem; font-weight: 600; }
figure svg { display: block; width: 100%; height: auto; }
figure svg text { font-family: inherit !important; }
.terms { font-size: .875rem; }
.terms dt { font-weight: 600; }
.terms dd { color: var(--quiet); }
"""
