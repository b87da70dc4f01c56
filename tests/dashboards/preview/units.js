// Numbers as Grafana writes them, for the units that the boards use.

function scaled(value, base, names) {
    let place = 0;
    while (Math.abs(value) >= base && place < names.length - 1) {
        value /= base;
        place++;
    }
    return [value, names[place]];
}

function round(value, decimals) {
    if (decimals !== undefined) {
        return value.toFixed(decimals);
    }
    return String(Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(2 + (Math.abs(value) >= 10))));
}

export function format(value, unit, decimals) {
    if (!Number.isFinite(value)) {
        return String(value);
    }
    if (unit === 'bytes') {
        const [number, name] = scaled(value, 1024, ['B', 'KiB', 'MiB', 'GiB', 'TiB']);
        return `${round(number, decimals)} ${name}`;
    }
    if (unit === 'percentunit') {
        return `${round(value * 100, decimals)} %`;
    }
    if (unit === 's') {
        const steps = [[1e-6, 1e-9, 'ns'], [1e-3, 1e-6, 'µs'], [1, 1e-3, 'ms'], [60, 1, 's'], [3600, 60, 'min'], [86400, 3600, 'h']];
        const [, size, name] = steps.find(([below]) => Math.abs(value) < below) ?? [0, 86400, 'd'];
        return value === 0 ? '0 s' : `${round(value / size, decimals)} ${name}`;
    }
    if (unit === 'cps') {
        const [number, name] = scaled(value, 1000, ['c/s', 'Kc/s', 'Mc/s']);
        return `${round(number, decimals)} ${name}`;
    }
    if (unit === 'short') {
        const [number, name] = scaled(value, 1000, ['', ' K', ' Mil', ' Bil']);
        return `${round(number, name ? undefined : decimals)}${name}`;
    }
    throw new Error(`the preview does not know the unit ${unit}`);
}

// Round numbers between which an axis is divided.
export function ticks(low, high, unit, wanted) {
    const base = unit === 'bytes' ? 1024 : 10;
    const rough = (high - low) / wanted || 1;
    const power = base ** Math.floor(Math.log(rough) / Math.log(base));
    const steps = base === 10 ? [1, 2, 5, 10] : [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];
    const step = (steps.find((one) => one * power >= rough) ?? base) * power;
    const found = [];
    for (let at = Math.ceil(low / step) * step; at <= high + step * 1e-6; at += step) {
        found.push(at);
    }
    return found;
}
