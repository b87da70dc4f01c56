// Draws a dashboard from a live Prometheus: index.html?board=fleet.json&prometheus=URL[&hours=6][&instance=NAME]
// Not Grafana: a way to see every panel with data where Grafana is not to be had. When all is drawn, the body's data-state is
// "done", and data-report has how many panels are drawn, empty and failed.
import {bars, element, graph, heat, stat, table} from './draw.js';
import {nameOf, Prometheus} from './prometheus.js';

const asked = new URLSearchParams(location.search);
const CELL = 38, GAP = 8; // a line of Grafana's grid, and what lies between two panels

async function answers(prometheus, panel, width) {
    const over = panel.type === 'timeseries' || panel.type === 'heatmap';
    let step = 0;
    const series = [];
    for (const target of panel.targets) {
        if (over === target.instant) {
            throw new Error(`a ${panel.type} with a query ${over ? 'of one moment' : 'over time'}`);
        }
        let found;
        if (over) {
            ({series: found, step} = await prometheus.over(target.expr, width / 4));
        } else {
            found = await prometheus.now(target.expr);
        }
        series.push(...found.map((one) => ({...one, name: nameOf(target.legendFormat, one.labels)})));
    }
    return {series, step};
}

function frame(panel, unit) {
    const {x, y, w, h} = panel.gridPos;
    const place = `left:${x * unit}px;top:${y * CELL}px;width:${w * unit - GAP}px;height:${h * CELL - GAP}px`;
    if (panel.type === 'row') {
        return element('section', {class: 'row', style: place}, panel.title);
    }
    const link = element('small', {}, panel.links.length > 0 ? `${panel.links.length} runbook${panel.links.length > 1 ? 's' : ''}` : '');
    return element('section', {style: place}, element('h2', {title: panel.description}, panel.title, link), element('div'));
}

async function draw(prometheus, panel, section) {
    const body = section.querySelector('div');
    try {
        const {series, step} = await answers(prometheus, panel, section.clientWidth);
        if (series.length === 0) {
            body.className = 'empty';
            body.textContent = 'No data';
            return 'empty';
        }
        const kinds = {stat, timeseries: graph, bargauge: bars, table, heatmap: heat};
        kinds[panel.type](body, panel, series, {from: prometheus.from, to: prometheus.to, step});
        return 'drawn';
    } catch (error) {
        body.className = 'error';
        body.textContent = error.message;
        return 'failed';
    }
}

async function main() {
    const board = await (await fetch(`../../../dashboards/${asked.get('board')}`)).json();
    const to = Math.floor(Date.now() / 1000);
    const hours = Number(asked.get('hours') ?? 6);
    const prometheus = new Prometheus(asked.get('prometheus'), to - hours * 3600, to, {});
    for (const variable of board.templating.list.filter(({type}) => type === 'query')) {
        prometheus.variables[variable.name] = asked.get(variable.name) ?? variable.allValue ?? '.+';
    }
    if (!asked.has('instance') && !board.templating.list.find(({name}) => name === 'instance').includeAll) {
        const hosts = await prometheus.now(`up{job=~"${prometheus.variables.job}"} and on (instance) pinwarden_pipeline_responding`);
        prometheus.variables.instance = hosts.map(({labels}) => labels.instance).sort()[0];
    }
    document.title = board.title;
    const chosen = Object.entries(prometheus.variables).map(([name, value]) => `${name}: ${value}`).join('   ');
    document.getElementById('top').append(element('h1', {}, board.title), element('span', {}, board.description),
        element('span', {}, `last ${hours} h   ${chosen}`));
    const main = document.getElementById('board');
    main.style.height = `${Math.max(...board.panels.map(({gridPos}) => gridPos.y + gridPos.h)) * CELL}px`;
    const unit = main.clientWidth / 24;
    const sections = board.panels.map((panel) => [panel, frame(panel, unit)]);
    main.append(...sections.map(([, section]) => section));
    const report = {drawn: [], empty: [], failed: []};
    await Promise.all(sections.filter(([panel]) => panel.type !== 'row').map(async ([panel, section]) => {
        report[await draw(prometheus, panel, section)].push(panel.title);
    }));
    document.body.dataset.report = JSON.stringify(report);
    document.body.dataset.state = 'done';
}

main().catch((error) => {
    document.body.dataset.state = 'failed';
    document.body.dataset.report = error.stack;
    document.body.append(error.stack);
});
