import requests

API_KEY = "claribi_your_api_key"
BASE_URL = "https://claribi.com/api/v1"

headers = {
"Authorization": f"Bearer {API_KEY}",
"Content-Type": "application/json"
}

Check usage

usage = requests.get(f"{BASE_URL}/usage/", headers=headers).json()
print(f"Credits remaining: {usage['credits']['remaining']}")

Generate a report

response = requests.post(
f"{BASE_URL}/reports/generate/",
headers=headers,
json={
"template_id": "your-template-uuid",
"data_source_ids": ["source-uuid-1"],
"output_format": "pdf"
}
)
report = response.json()
print(f"Report ID: {report['report_id']}")
print(f"Credits used: {report['credits_consumed']}")
