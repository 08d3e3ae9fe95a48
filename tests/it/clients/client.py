"""What a user of the generated client writes: list, get, refresh, generate, download, each with its types."""

import json
import os

from claribi_v1 import AuthenticatedClient
from claribi_v1.api.dashboards import dashboards_get, dashboards_list, dashboards_refresh
from claribi_v1.api.reports import report_templates_list, reports_download, reports_generate
from claribi_v1.models import (
    Dashboard,
    DashboardSummaryPage,
    EmptyRequest,
    ErrorEnvelope,
    Generated,
    NewReport,
    OutputFormat,
    Refreshed,
    ReportsDownloadResponse200,
    ReportTemplatePage,
    TemplateKind,
)

client = AuthenticatedClient(base_url=os.environ["CLARIBI_URL"], token=os.environ["CLARIBI_KEY"])

listed = dashboards_list.sync(client=client, limit=100)
assert isinstance(listed, DashboardSummaryPage), listed
summary = next(dashboard for dashboard in listed.data if dashboard.name == "Q2 Revenue")

found = dashboards_get.sync(summary.id, client=client)
assert isinstance(found, Dashboard), found
titles: list[str] = [widget.title for widget in found.widgets]

refreshed = dashboards_refresh.sync(summary.id, client=client, body=EmptyRequest())
assert isinstance(refreshed, Refreshed), refreshed

templates = report_templates_list.sync(client=client)
assert isinstance(templates, ReportTemplatePage), templates
template = next(template for template in templates.data if template.kind is TemplateKind.DASHBOARD)


def generate(output_format: OutputFormat) -> Generated:
    report = NewReport(template_id=template.id, dashboard_id=summary.id, output_format=output_format)
    generated = reports_generate.sync(client=client, body=report)
    assert isinstance(generated, Generated), generated
    return generated


data = reports_download.sync(generate(OutputFormat.JSON).report_id, client=client)
assert isinstance(data, ReportsDownloadResponse200), data

# The generator reads a response as its first media type alone; a file of another comes by its address.
printed = generate(OutputFormat.PDF)
assert isinstance(printed.download_url, str)
file = client.get_httpx_client().get(printed.download_url).raise_for_status()

missing = dashboards_get.sync("d_999", client=client)
assert isinstance(missing, ErrorEnvelope), missing

print(
    json.dumps(
        {
            "titles": titles,
            "credits": refreshed.credits_consumed,
            "status": printed.status,
            "start": file.content[:5].decode(),
            "missing": missing.error.code,
            "title": data["title"],
        }
    )
)
