// Asks Prometheus, after Grafana's manner with variables.

export class Prometheus {
    // variables: {name: value or list of values; undefined for All}
    constructor(url, from, to, variables) {
        Object.assign(this, {url: url.replace(/\/$/, ''), from, to, variables});
    }

    async get(path, query) {
        const answer = await (await fetch(`${this.url}${path}?${new URLSearchParams(query)}`)).json();
        if (answer.status !== 'success') {
            throw new Error(answer.error);
        }
        return answer.data;
    }

    substitute(text, step) {
        // Four scrapes or one step, whichever is longer; scrapes as Grafana assumes them, every 15 s.
        const known = {...this.variables, __rate_interval: `${Math.max(60, step + 15)}s`, __interval: `${step}s`,
            __range: `${Math.round(this.to - this.from)}s`};
        return text.replace(/\$\{?(\w+)\}?/g, (whole, name) => {
            if (known[name] === undefined) {
                throw new Error(`no variable ${name}`);
            }
            return known[name];
        });
    }

    // [{labels, value}]
    async now(expr) {
        const data = await this.get('/api/v1/query', {query: this.substitute(expr, 60), time: this.to});
        return data.result.map((one) => ({labels: one.metric, value: Number(one.value[1])}));
    }

    // [{labels, points: [[time, value]]}]
    async over(expr, points) {
        const step = Math.max(15, Math.ceil((this.to - this.from) / points / 15) * 15);
        const data = await this.get('/api/v1/query_range',
            {query: this.substitute(expr, step), start: this.from, end: this.to, step});
        return {step, series: data.result.map((one) => ({labels: one.metric,
            points: one.values.map(([time, value]) => [time, Number(value)])}))};
    }
}

export function nameOf(legend, labels) {
    if (legend !== '__auto') {
        return legend.replace(/{{\s*(\w+)\s*}}/g, (whole, label) => labels[label] ?? '');
    }
    const shown = Object.entries(labels).filter(([label]) => label !== '__name__');
    return shown.length > 0 ? `{${shown.map(([label, value]) => `${label}="${value}"`).join(', ')}}` : 'Value';
}
