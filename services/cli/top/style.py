"""How `wfmon top` looks: the colours of the page (CONTRACTS §4), on whatever the terminal can show."""

CSS = """
Screen { background: #0f172a; color: #f9fafb; }
#headline { height: 1; background: #1f2937; }
#panels { grid-size: 2; grid-gutter: 0 2; height: auto; grid-rows: auto; padding: 0 1; }
#panels.narrow { grid-size: 1; }
.panel { height: 3; }
#gpus, #events, #services { padding: 0 1; }
#events { height: 4; text-wrap: nowrap; text-overflow: ellipsis; }
#services { height: 2; }
#gpus { height: auto; }
#processes { height: 1fr; background: #0f172a; border-top: solid #334155; border-title-color: #94a3b8; }
DataTable > .datatable--header { background: #0f172a; color: #94a3b8; }
DataTable > .datatable--cursor { background: #1f2937; color: #f9fafb; }
"""
