curl -H "Authorization: Bearer claribi_abc123..." \
https://claribi.com/api/v1/dashboards/
