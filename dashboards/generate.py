#!/usr/bin/env python3
"""Writes the dashboards of Grafana beside it from what boards.py says is on them.

    dashboards/generate.py            writes them
    dashboards/generate.py --check    fails when one in the tree is not what would be written

The JSON is in the tree because that is what people import; it is generated so that every panel has a title, a description, a
unit and the same variables.
"""
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
GREEN, YELLOW, RED, BLUE = "green", "yellow", "red", "blue"


def thresholds(steps):
    """steps: [(from, colour)], in order; the first counts from minus infinity."""
    return {"mode": "absolute", "steps": [{"color": colour, "value": start} for start, colour in steps]}


PLAIN = thresholds([(None, BLUE)])
ALARM = thresholds([(None, GREEN), (1, RED)])      # something that should be none
NOTE = thresholds([(None, GREEN), (1, YELLOW)])    # something worth a look
NEEDED = thresholds([(None, RED), (1, GREEN)])     # something that should be 1


class Panel:
    """One panel; where it stands is decided when the board is put together."""

    def __init__(self, kind, title, description, targets, unit, *, width, height, steps=PLAIN, runbooks=(),
                 options=None, custom=None, mappings=(), decimals=None, minimum=None, maximum=None, host_link=False,
                 overrides=()):
        defaults = {"color": {"mode": "palette-classic" if kind == "timeseries" else "thresholds"}, "mappings": list(mappings),
                    "thresholds": steps, "unit": unit, "custom": custom or {}, "links": []}
        for key, value in (("decimals", decimals), ("min", minimum), ("max", maximum)):
            if value is not None:
                defaults[key] = value
        if host_link:
            # The host's own page, in the same stretch of time.
            defaults["links"] = [{"title": "Show this host", "targetBlank": False,
                                  "url": "/d/pinwarden-host?var-datasource=${datasource}&var-cluster=$__all&var-job=$__all"
                                         "&var-instance=${__field.labels.instance}&${__url_time_range}"}]
        self.width, self.height = width, height
        self.json = {
            "type": kind, "title": title, "description": description, "datasource": DATASOURCE, "targets": targets,
            "fieldConfig": {"defaults": defaults, "overrides": list(overrides)}, "options": options or {},
            "links": [{"title": f"Runbook: {name}", "url": "${runbooks}/" + name + ".md", "targetBlank": True}
                      for name in runbooks]}


def target(expr, legend="", *, instant=False, form="time_series"):
    return {"expr": expr, "legendFormat": legend or "__auto", "instant": instant, "range": not instant, "format": form,
            "editorMode": "code"}


def targets_of(queries, **how):
    """queries: an expression, or [(expression, legend)]."""
    pairs = [(queries, "")] if isinstance(queries, str) else queries
    return [{"refId": chr(ord("A") + place), "datasource": DATASOURCE, **target(expr, legend, **how)}
            for place, (expr, legend) in enumerate(pairs)]


REDUCE = {"calcs": ["lastNotNull"], "fields": "", "values": False}


def stat(title, description, queries, unit="short", *, width=4, height=4, text=None, **rest):
    """One number, as of now. text: {value: (word, colour)} in place of numbers."""
    mappings = [{"type": "value", "options": {str(value): {"text": word, "color": colour, "index": place}
                                              for place, (value, (word, colour)) in enumerate(text.items())}}] if text else ()
    options = {"colorMode": "background_solid", "graphMode": "none", "justifyMode": "auto", "orientation": "auto",
               "reduceOptions": REDUCE, "textMode": "value", "wideLayout": True, "showPercentChange": False,
               "percentChangeColorMode": "standard"}
    return Panel("stat", title, description, targets_of(queries, instant=True), unit, width=width, height=height,
                 options=options, mappings=mappings, **rest)


def graph(title, description, queries, unit, *, width=12, height=8, stack=False, line=False, many=False, columns=False,
          **rest):
    """Lines over time. line: draw the thresholds into it. many: more than some five lines, so their names are a table beside it.
    columns: for what is there only now and then, of which a line would not be seen."""
    custom = {"drawStyle": "bars" if columns else "line", "lineInterpolation": "linear", "lineWidth": 1, "fillOpacity": 30 if stack else 8,
              "showPoints": "never", "spanNulls": False, "stacking": {"mode": "normal" if stack else "none", "group": "A"},
              "thresholdsStyle": {"mode": "line" if line else "off"}, "axisPlacement": "auto", "axisLabel": ""}
    legend = {"displayMode": "table", "placement": "right", "calcs": ["lastNotNull", "max"], "sortBy": "Max", "sortDesc": True} \
        if many else {"displayMode": "list", "placement": "bottom", "calcs": []}
    options = {"legend": {"showLegend": True, **legend},
               "tooltip": {"mode": "multi", "sort": "desc"}}
    rest.setdefault("minimum", 0)
    return Panel("timeseries", title, description, targets_of(queries), unit, width=width, height=height,
                 options=options, custom=custom, **rest)


def bars(title, description, queries, unit, *, width=8, height=8, **rest):
    """Bars side by side, as of now: the largest of something, or a distribution."""
    options = {"displayMode": "basic", "orientation": "horizontal", "reduceOptions": REDUCE, "showUnfilled": True,
               "minVizWidth": 8, "minVizHeight": 12, "maxVizHeight": 32, "valueMode": "color", "namePlacement": "left",
               "sizing": "auto", "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False, "calcs": []}}
    rest.setdefault("minimum", 0)
    return Panel("bargauge", title, description, targets_of(queries, instant=True), unit, width=width, height=height,
                 options=options, **rest)


def table(title, description, queries, unit, *, columns, width=12, height=8, **rest):
    """columns: {label or "Value": heading}, in order; what is not named is left out."""
    panel = Panel("table", title, description, targets_of(queries, instant=True, form="table"), unit, width=width,
                  height=height, options={"showHeader": True, "cellHeight": "sm", "sortBy": [{"displayName": columns.get("Value", ""), "desc": True}]
                                          if "Value" in columns else []},
                  custom={"align": "auto", "filterable": False, "inspect": False}, **rest)
    panel.json["transformations"] = [
        {"id": "filterFieldsByName", "options": {"include": {"names": list(columns)}}},
        {"id": "organize", "options": {"excludeByName": {}, "renameByName": columns,
                                       "indexByName": {name: place for place, name in enumerate(columns)}}}]
    return panel


def heat(title, description, buckets, unit="s", *, width=12, height=8, **rest):
    """How a histogram's observations were spread, over time. buckets: an expression with le left."""
    options = {"calculate": False, "yAxis": {"axisPlacement": "left", "unit": unit, "reverse": False},
               "rowsFrame": {"layout": "auto"}, "cellGap": 1, "showValue": "never",
               "color": {"mode": "scheme", "scheme": "Oranges", "steps": 64, "fill": "dark-orange", "exponent": 0.5,
                         "reverse": False},
               "filterValues": {"le": 1e-9}, "legend": {"show": True}, "exemplars": {"color": "rgba(255,0,255,0.7)"},
               "tooltip": {"mode": "single", "yHistogram": False}}
    return Panel("heatmap", title, description, targets_of([(buckets, "{{le}}")], form="heatmap"), unit, width=width,
                 height=height, options=options, **rest)


class Row:
    def __init__(self, title, *panels):
        self.title, self.panels = title, panels


def lay_out(rows):
    """Left to right, then on to the next line; a row's title takes a line of its own."""
    placed, number, y = [], 0, 0
    for row in rows:
        number += 1
        placed.append({"id": number, "type": "row", "title": row.title, "collapsed": False, "panels": [],
                       "gridPos": {"h": 1, "w": 24, "x": 0, "y": y}})
        y, x, deepest = y + 1, 0, 0
        for panel in row.panels:
            if x + panel.width > 24:
                y, x, deepest = y + deepest, 0, 0
            number += 1
            placed.append({"id": number, "gridPos": {"h": panel.height, "w": panel.width, "x": x, "y": y}, **panel.json})
            x, deepest = x + panel.width, max(deepest, panel.height)
        y += deepest
    return placed


def query_variable(name, label, query, *, all_value, multi=True, description=""):
    variable = {"name": name, "label": label, "type": "query", "datasource": DATASOURCE, "description": description,
                "query": {"query": query, "refId": f"variable-{name}", "qryType": 1}, "definition": query, "refresh": 2,
                "sort": 1, "multi": multi, "includeAll": multi, "hide": 0, "regex": "", "options": [], "skipUrlSync": False}
    if multi:
        variable["allValue"] = all_value
        variable["current"] = {"selected": True, "text": ["All"], "value": ["$__all"]}
    return variable


def variables(one_host):
    # pipeline_responding is served even when nothing else is, so a host does not vanish from the list when it is needed.
    hosts = 'pinwarden_pipeline_responding{cluster=~"$cluster", job=~"$job"}'
    return [
        {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "refresh": 1, "multi": False,
         "includeAll": False, "hide": 0, "regex": "", "options": [], "skipUrlSync": False},
        # Without such a label the list is empty and All stands for targets that have none.
        query_variable("cluster", "Cluster", "label_values(pinwarden_pipeline_responding, cluster)", all_value=".*",
                       description="Where targets have a label of this name"),
        query_variable("job", "Job", 'label_values(pinwarden_pipeline_responding{cluster=~"$cluster"}, job)', all_value=".+"),
        query_variable("instance", "Instance", f"label_values({hosts}, instance)", all_value=".+", multi=not one_host),
        {"name": "runbooks", "label": "Where the runbooks are", "type": "constant", "query": "docs/runbooks", "hide": 2,
         "skipUrlSync": True, "description": "Put in front of a runbook's name; a URL once docs/ is served somewhere"},
    ]


def board(uid, title, description, rows, *, one_host=False, since="now-6h"):
    return {
        "uid": uid, "title": title, "description": description, "tags": ["pinwarden"], "schemaVersion": 39, "version": 1,
        "editable": False, "graphTooltip": 1, "refresh": "1m", "time": {"from": since, "to": "now"}, "timezone": "browser",
        "fiscalYearStartMonth": 0, "liveNow": False, "weekStart": "", "timepicker": {},
        "links": [{"title": "pinwarden", "type": "dashboards", "tags": ["pinwarden"], "asDropdown": False, "includeVars": True,
                   "keepTime": True, "targetBlank": False, "icon": "external link", "tooltip": "", "url": ""}],
        "annotations": {"list": [{
            "name": "Starts of pinwardend", "datasource": DATASOURCE, "enable": True, "hide": False, "iconColor": "purple",
            "expr": 'changes(process_start_time_seconds{cluster=~"$cluster", job=~"$job", job=~"pinwarden.*", '
                    'instance=~"$instance"}[$__rate_interval]) > 0',
            "titleFormat": "pinwardend started", "textFormat": "{{instance}}"}]},
        "templating": {"list": variables(one_host)}, "panels": lay_out(rows)}


def main(arguments):
    import boards  # noqa: PLC0415  boards.py is written with what is above

    if arguments not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    stale = []
    for name, content in boards.all_boards().items():
        path, text = HERE / name, json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        if not arguments:
            path.write_text(text, encoding="utf-8")
        elif not path.is_file() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
    # A board that is no longer made would go on being imported.
    known = set(boards.all_boards())
    stale += [path.name for path in sorted(HERE.glob("*.json")) if path.name not in known]
    if stale:
        print(f"generate.py: not what boards.py says: {', '.join(stale)}; run dashboards/generate.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(HERE))
    # Under its own name, so that boards.py gets these classes and not a second set of them.
    sys.modules["generate"] = sys.modules["__main__"]
    sys.exit(main(sys.argv[1:]))
