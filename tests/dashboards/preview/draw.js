// Draws one panel's answer with SVG and HTML: near enough to Grafana to see whether the panel says what it should.
import {format, ticks} from './units.js';

const COLOURS = {green: '#73bf69', yellow: '#fade2a', red: '#f2495c', blue: '#5794f2', orange: '#ff9830', purple: '#b877d9'};
const PALETTE = ['#73bf69', '#f2cc0c', '#5794f2', '#ff9830', '#f2495c', '#b877d9', '#37872d', '#8ab8ff', '#ffcb7d', '#ff7383',
    '#ca95e5', '#96d98d', '#e0b400', '#3274d9'];

function element(name, attributes = {}, ...children) {
    const made = name.startsWith('svg:') ? document.createElementNS('http://www.w3.org/2000/svg', name.slice(4))
        : document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
        made.setAttribute(key, value);
    }
    made.append(...children);
    return made;
}

export {element};

function thresholdColour(value, defaults) {
    let found = defaults.thresholds.steps[0].color;
    for (const step of defaults.thresholds.steps.slice(1)) {
        found = value >= step.value ? step.color : found;
    }
    return COLOURS[found];
}

export function stat(body, panel, series) {
    const {unit, decimals, mappings} = panel.fieldConfig.defaults;
    const {value} = series[0];
    const mapped = mappings[0]?.options[String(value)];
    body.className = 'stat';
    body.style.background = mapped ? COLOURS[mapped.color] : thresholdColour(value, panel.fieldConfig.defaults);
    const text = mapped?.text ?? format(value, unit, decimals);
    body.style.fontSize = `${Math.min(34, body.clientWidth / (text.length * 0.7))}px`;
    body.textContent = text;
}

export function bars(body, panel, series) {
    const {unit, decimals, max} = panel.fieldConfig.defaults;
    const most = max ?? Math.max(...series.map((one) => one.value), 1e-9);
    body.className = 'bars';
    for (const {name, value} of series) {
        const fill = element('i', {style: `width:${100 * Math.min(1, value / most)}%;background:${thresholdColour(value, panel.fieldConfig.defaults)}`});
        body.append(element('span', {}, name), element('b', {}, fill), element('span', {}, format(value, unit, decimals)));
    }
}

export function table(body, panel, series) {
    const {unit, decimals} = panel.fieldConfig.defaults;
    const columns = Object.entries(panel.transformations.find(({id}) => id === 'organize').options.renameByName);
    const cell = (kind, column, text) => element(kind, column === 'Value' ? {class: 'number'} : {}, text);
    const head = element('tr', {}, ...columns.map(([column, heading]) => cell('th', column, heading)));
    const rows = series.toSorted((one, other) => other.value - one.value).map(({labels, value}) => element('tr', {},
        ...columns.map(([column]) => cell('td', column, column === 'Value' ? format(value, unit, decimals) : labels[column] ?? ''))));
    body.className = 'table';
    body.append(element('table', {}, head, ...rows));
}

function clock(seconds) {
    return new Date(seconds * 1000).toTimeString().slice(0, 5);
}

// Axes of a drawing; gives functions from values to places.
function axes(svg, box, from, to, marks, at) {
    const x = (time) => box.left + (box.right - box.left) * (time - from) / (to - from);
    for (const [value, text] of marks) {
        svg.append(element('svg:line', {x1: box.left, x2: box.right, y1: at(value), y2: at(value), stroke: '#25272e'}),
            element('svg:text', {x: box.left - 6, y: at(value) + 3, 'text-anchor': 'end'}, text));
    }
    const every = [60, 300, 600, 900, 1800, 3600, 7200, 14400, 21600].find((one) => (to - from) / one < box.right / 70) ?? 43200;
    for (let time = Math.ceil(from / every) * every; time < to; time += every) {
        svg.append(element('svg:text', {x: x(time), y: box.bottom + 13, 'text-anchor': 'middle'}, clock(time)));
    }
    return x;
}

function legend(series, unit, decimals, beside) {
    const key = (one) => element('span', {}, element('i', {style: `background:${one.colour}`}), one.name);
    if (!beside) {
        return element('div', {class: 'legend'}, ...series.map(key));
    }
    const number = (value) => element('td', {class: 'number'}, format(value, unit, decimals));
    const rows = series.map((one) => {
        const values = one.points.map(([, value]) => value).filter(Number.isFinite);
        return [Math.max(...values), element('tr', {}, element('td', {}, key(one)), number(values.at(-1)), number(Math.max(...values)))];
    }).sort(([one], [other]) => other - one);
    return element('div', {class: 'legend'}, element('table', {}, element('tr', {}, element('th', {}, 'Name'),
        element('th', {class: 'number'}, 'Last'), element('th', {class: 'number'}, 'Max')), ...rows.map(([, row]) => row)));
}

// Lines that a gap interrupts: a point is further from the one before than steps are long.
function path(points, step, x, y) {
    let text = '', last = -Infinity;
    for (const [time, value] of points) {
        if (Number.isFinite(value)) {
            text += `${time - last > step * 1.5 ? 'M' : 'L'}${x(time).toFixed(1)},${y(value).toFixed(1)}`;
            last = time;
        }
    }
    return text;
}

// Each on top of those before it; what has no value at a time counts as 0.
function stacked(series) {
    const sums = new Map();
    return series.map((one) => ({...one, floor: one.points.map(([time]) => [time, sums.get(time) ?? 0]),
        points: one.points.map(([time, value]) => {
            sums.set(time, (sums.get(time) ?? 0) + (Number.isFinite(value) ? value : 0));
            return [time, sums.get(time)];
        })}));
}

export function graph(body, panel, series, {from, to, step}) {
    const {unit, decimals, max, min, custom, thresholds} = panel.fieldConfig.defaults;
    const beside = panel.options.legend.placement === 'right';
    const coloured = series.map((one, place) => ({...one, colour: PALETTE[place % PALETTE.length]}));
    const stack = custom.stacking.mode === 'normal';
    const drawn = stack ? stacked(coloured) : coloured;
    const svg = element('svg:svg');
    body.className = beside ? 'graph beside' : 'graph';
    body.append(svg, legend(coloured, unit, decimals, beside));
    const {width, height} = svg.getBoundingClientRect();
    const box = {left: 62, right: width - 8, top: 6, bottom: height - 18};
    const values = drawn.flatMap((one) => one.points.map(([, value]) => value)).filter(Number.isFinite);
    const low = min ?? Math.min(...values);
    const high = max ?? (Math.max(...values, low) * 1.05 || 1);
    const y = (value) => box.bottom - (box.bottom - box.top) * (value - low) / (high - low || 1);
    // Where all decimals are cut off, neighbours may read the same: the first of them stays.
    const marks = ticks(low, high, unit, Math.max(2, height / 45)).map((value) => [value, format(value, unit, decimals)])
        .filter(([, text], place, all) => place === 0 || all[place - 1][1] !== text);
    const x = axes(svg, box, from, to, marks, y);
    for (const one of drawn) {
        const line = path(one.points, step, x, y);
        if (stack) {
            const under = path(one.floor.toReversed(), Infinity, x, y).replace(/M/g, 'L');
            svg.append(element('svg:path', {d: `${line.replace(/(?!^)M/g, 'L')}${under}Z`, fill: one.colour, 'fill-opacity': 0.3}));
        }
        const columns = custom.drawStyle === 'bars' ? one.points.map(([time, value]) =>
            `M${x(time).toFixed(1)},${y(low)}V${y(value).toFixed(1)}`).join('') : line;
        svg.append(element('svg:path', {d: columns, fill: 'none', stroke: one.colour, 'stroke-width': 1.2}));
    }
    if (custom.thresholdsStyle.mode === 'line') {
        for (const {value, color} of thresholds.steps.slice(1).filter((one) => one.value <= high)) {
            svg.append(element('svg:line', {x1: box.left, x2: box.right, y1: y(value), y2: y(value), stroke: COLOURS[color],
                'stroke-dasharray': '6 4'}));
        }
    }
}

// Buckets as Prometheus has them hold what is below as well; a cell is what is in this one alone.
export function heat(body, panel, series, {from, to, step}) {
    const rows = series.map((one) => ({bound: Number(one.labels.le.replace('+Inf', 'Infinity')), points: new Map(one.points)}))
        .sort((one, other) => one.bound - other.bound);
    const svg = element('svg:svg');
    body.className = 'graph';
    body.append(svg);
    const {width, height} = svg.getBoundingClientRect();
    const box = {left: 62, right: width - 8, top: 6, bottom: height - 18};
    const tall = (box.bottom - box.top) / rows.length;
    const y = (row) => box.bottom - tall * (row + 1);
    const unit = panel.options.yAxis.unit;
    const x = axes(svg, box, from, to, rows.map(({bound}, row) => [row, Number.isFinite(bound) ? format(bound, unit) : 'longer']), y);
    const cells = rows.flatMap(({points}, row) => [...points].map(([time, value]) =>
        [time, row, value - (row > 0 ? rows[row - 1].points.get(time) ?? 0 : 0)])).filter(([, , count]) => count > 0);
    const most = Math.max(...cells.map(([, , count]) => count), 1e-9);
    for (const [time, row, count] of cells) {
        svg.append(element('svg:rect', {x: x(time - step), y: y(row) + 1, width: Math.max(1, x(time) - x(time - step)), height: tall - 1,
            fill: '#ff9830', 'fill-opacity': Math.sqrt(count / most).toFixed(2)}));
    }
}
