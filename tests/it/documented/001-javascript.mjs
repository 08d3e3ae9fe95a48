const API_KEY = 'claribi_your_api_key';
const BASE_URL = 'https://claribi.com/api/v1';

const headers = {
'Authorization': `Bearer \${API_KEY}`,
'Content-Type': 'application/json'
};

// Check usage
const usage = await fetch(`\${BASE_URL}/usage/`, { headers })
.then(r => r.json());
console.log(`Credits: \${usage.credits.remaining}`);

// Refresh a dashboard
const result = await fetch(
`\${BASE_URL}/dashboards/\${dashboardId}/refresh/`,
{ method: 'POST', headers }
).then(r => r.json());
console.log(`Credits used: \${result.credits_consumed}`);
