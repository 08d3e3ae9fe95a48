curl -X POST https://api.claribi.com/v1/reports/r_42/run \ -H "Authorization: Bearer $CLARIBI_KEY" \ -H "Content-Type: application/json" \ -d '{"format": "pdf"}'
