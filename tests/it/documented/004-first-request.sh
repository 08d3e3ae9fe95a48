# Step 1: Get a token
TOKEN=$(curl -s -X POST https://claribi.com/api/auth/login/ \
-H "Content-Type: application/json" \
-d '{"email": "you@example.com", "password": "your-password"}' \
| jq -r '.access')
# Step 2: Make an authenticated request
curl -H "Authorization: Bearer $TOKEN" \
https://claribi.com/api/auth/status/
