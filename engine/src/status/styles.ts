// The style of the public pages, in each page itself: an exported page needs no second file.
export const styles = `
:root{color-scheme:light dark;--ground:#fff;--ink:#1b1f24;--quiet:#57606a;--line:#d6dbe1;--link:#0b57d0;
--good:#1a7a48;--warn:#8a5200;--bad:#b3261e;--other:#4a5568;--work:#5b3fb5}
@media(prefers-color-scheme:dark){:root{--ground:#14171c;--ink:#eceff4;--quiet:#a6adba;--line:#353b45;--link:#8ab4ff;
--good:#72d8a0;--warn:#ffc670;--bad:#ffb0a8;--other:#b6bdc9;--work:#c6b4ff}}
*{box-sizing:border-box}
body{margin:0 auto;padding:1.5rem 1rem 3rem;max-width:46rem;background:var(--ground);color:var(--ink);
font:1rem/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
a{color:var(--link)}h1{font-size:1.15rem;margin:0}h2{font-size:1.05rem;margin:2rem 0 .5rem}h3{font-size:1rem;margin:0}
p{margin:.3rem 0}.quiet{color:var(--quiet);font-size:.9rem}
.banner{margin:1.2rem 0;padding:.9rem 1rem;border:2px solid;border-radius:.6rem;font-size:1.25rem;font-weight:600}
.banner,.state{color:var(--other)}.state{font-weight:600}
.operational{color:var(--good)}.degraded_performance,.partial_outage{color:var(--warn)}.major_outage{color:var(--bad)}
.under_maintenance{color:var(--work)}
article{padding:.9rem 0;border-top:1px solid var(--line)}
.updates{list-style:none;margin:.5rem 0 0;padding:0}.updates li{padding:.3rem 0 .3rem .8rem;border-left:.2rem solid var(--line)}
.days{display:flex;gap:1px;list-style:none;margin:.6rem 0 .2rem;padding:0;height:2rem;align-items:flex-end}
.days li{flex:1 1 0;min-width:0;height:100%;background:currentcolor;border-radius:1px}
.days li.degraded_performance{height:80%}.days li.partial_outage{height:60%}.days li.major_outage{height:40%}
.days li.unknown{height:100%;background:none;border:1px solid var(--line)}
.days span{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .6rem .3rem 0;border-top:1px solid var(--line)}
summary{cursor:pointer;min-height:24px}footer{margin-top:2.5rem;color:var(--quiet);font-size:.9rem}
@media(forced-colors:active){.days li{background:CanvasText}}
`;
