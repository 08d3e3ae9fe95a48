// What a user of the generated client writes: list, get, refresh, generate, download, each with its types.
import createClient from "openapi-fetch";
import type { paths } from "./v1";

declare const process: { env: Record<string, string | undefined> };

const client = createClient<paths>({
  baseUrl: process.env.CLARIBI_URL,
  headers: { Authorization: `Bearer ${process.env.CLARIBI_KEY}` },
});

const listed = await client.GET("/v1/dashboards", { params: { query: { limit: 100 } } });
if (!listed.data) throw new Error(listed.error.error.message);
const summary = listed.data.data.find(({ name }) => name === "Q2 Revenue");
if (!summary) throw new Error("no such dashboard");

const path = { id: summary.id };
const found = await client.GET("/v1/dashboards/{id}", { params: { path } });
if (!found.data) throw new Error(found.error.error.message);
const titles: string[] = found.data.widgets.map((widget) => widget.title);

const refreshed = await client.POST("/v1/dashboards/{id}/refresh", { params: { path } });
if (!refreshed.data) throw new Error(refreshed.error.error.message);
const credits: number = refreshed.data.credits_consumed;

const templates = await client.GET("/v1/report-templates");
const template = templates.data?.data.find(({ kind }) => kind === "dashboard");
if (!template) throw new Error("no template for dashboards");
const generated = await client.POST("/v1/reports/generate", {
  body: { template_id: template.id, dashboard_id: summary.id, output_format: "pdf" },
});
if (!generated.data) throw new Error(generated.error.error.message);

const file = await client.GET("/v1/reports/{id}/download", {
  params: { path: { id: generated.data.report_id } },
  parseAs: "arrayBuffer",
});
if (!file.data) throw new Error("no file");
const start = new TextDecoder().decode(file.data.slice(0, 5));

const missing = await client.GET("/v1/dashboards/{id}", { params: { path: { id: "d_999" } } });
console.log(JSON.stringify({ titles, credits, status: generated.data.status, start, missing: missing.error?.error.code }));
