curl -X POST \
-H "Authorization: Bearer claribi_your_api_key" \
-H "Content-Type: application/json" \
-d '{"template_id":"uuid","data_source_ids":["uuid"],"output_format":"pdf"}' \
https://claribi.com/api/v1/reports/generate/
