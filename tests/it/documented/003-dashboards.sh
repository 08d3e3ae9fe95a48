curl https://api.claribi.com/v1/dashboards \ -H "Authorization: Bearer $CLARIBI_KEY"
