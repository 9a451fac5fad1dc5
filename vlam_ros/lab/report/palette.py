"""The colours of all pages that the package writes, by day and by night, as CSS variables."""

PALETTE = """
:root {
  --paper: #f6f7f9; --card: #fff; --ink: #171a21; --quiet: #5c6473; --line: #dfe3ea;
  --good: #12803f; --bad: #c22a35; --good-paper: #dcf5e5; --bad-paper: #fde4e5;
  --chip: #eaedf3; --accent: #b5186f; --accent-paper: #fbe6f2; --verdict-ink: #14161b;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14161b; --card: #1d2027; --ink: #e9ecf2; --quiet: #9aa3b4; --line: #31363f;
    --good: #5bd68c; --bad: #ff8087; --good-paper: #173a26; --bad-paper: #46202a;
    --chip: #2b3039; --accent: #ff7cc0; --accent-paper: #43203a;
  }
}
"""
