//! Saved queries: made, changed, and run with their results cached. Rules are in `domain::saved_query`, the cache in
//! [`super::results`].

use serde_json::{Map, Value, json};

use futures_util::FutureExt;

use super::app::App;
use super::caller::Caller;
use super::conditions::Standing;
use super::once::Answer;
use super::query::{Prepared, QueryAnswer, QueryRequest, ResultFormat, written};
use super::results::{Flight, Key};
use super::sources::error_of;
use crate::domain::access::Permission;
use crate::domain::condition::Condition;
use crate::domain::dashboard::SourceRef;
use crate::domain::error::{Error, Result};
use crate::domain::id::{BareIntegers, IdRef, SavedQueryId, SavedQueryKind, Source as SourceKind};
use crate::domain::page::{ListRequest, Page};
use crate::domain::saved_query::{
    Body, Bounds, NewBody, NewSavedQuery, SavedQuery, SavedQueryFilter, SavedQueryPatch, check_fit,
};
use crate::domain::source::SourceStatus;
use crate::store::main::saved_queries::{self, Definition};
use crate::store::main::sources;
use crate::store::{Main, Reader, Tx};
use crate::worker::protocol::BUILD;

/// What a client gets of a saved query's result.
#[derive(Debug)]
pub enum SavedResult {
    /// It has the result of this tag.
    Held(String),
    /// The result, under a tag where it lasts.
    Fresh(QueryAnswer, Option<String>),
}

impl App {
    /// A page of saved queries.
    pub fn saved_queries(&self, caller: &Caller, request: &ListRequest<SavedQueryFilter>) -> Result<Page<SavedQuery>> {
        caller.require(Permission::AnalyticsQuery)?;
        let org = caller.org();
        self.page(
            caller,
            "queries",
            request,
            |db, filter, slice| Ok(saved_queries::list(db, org, filter, slice)?),
            |db, filter| Ok(saved_queries::count(db, org, filter)?),
        )
    }

    /// One saved query.
    pub fn saved_query(&self, caller: &Caller, id: &IdRef<SavedQueryKind>, spelled: &str) -> Result<SavedQuery> {
        caller.require(Permission::AnalyticsQuery)?;
        let found = self.store.read_now(|db| Ok(saved_queries::find(db, caller.org(), id)?))?;
        found.ok_or_else(|| Error::not_found::<SavedQueryKind>(spelled))
    }

    /// The saved query of this id or name: for the command line.
    pub fn saved_query_named(&self, caller: &Caller, text: &str) -> Result<SavedQuery> {
        caller.require(Permission::AnalyticsQuery)?;
        let org = caller.org();
        let mut named = self.store.read_now(|db| Ok(saved_queries::find_by_name(db, org, text)?))?;
        match (named.pop(), named.is_empty()) {
            (Some(found), true) => Ok(found),
            (Some(_), false) => Err(Error::Conflict(format!(
                "More than one saved query is called `{}`; give the id of one.",
                Error::clipped(text)
            ))),
            (None, _) => self.saved_query(caller, &IdRef::parse(text, BareIntegers::Accepted), text),
        }
    }

    /// Saves a query.
    pub async fn create_saved_query<A: Answer>(
        &self,
        caller: &Caller,
        new: NewSavedQuery,
        answer: impl FnOnce(SavedQuery) -> A + Send + 'static,
    ) -> Result<A> {
        caller.require(Permission::AnalyticsQuery)?;
        caller.require_running_plan()?;
        let new = new.checked(self.query_bounds(caller))?;
        check_fit(&new.query.body, &new.parameters)?;
        let (writer, uuid) = (caller.clone(), self.entropy.uuid(caller.at));
        self.store
            .write(move |tx| {
                let org = writer.org();
                let source = source_of(tx, &writer, &new.query)?;
                let NewSavedQuery { name, description, query, parameters } = new;
                let made = Definition { name, description, source, body: query.body, limit: query.limit, parameters };
                let id = saved_queries::create(tx, org, uuid, &made, writer.at)?;
                let after = json!({"name": made.name});
                writer.record(tx, "query.create", &id.prefixed(), None, Some(after))?;
                writer.answer(tx, answer(stored(tx, &writer, id)?))
            })
            .await
    }

    /// Changes a saved query: what is absent stays.
    pub async fn update_saved_query(
        &self,
        caller: &Caller,
        id: &IdRef<SavedQueryKind>,
        spelled: &str,
        patch: SavedQueryPatch,
    ) -> Result<SavedQuery> {
        caller.require(Permission::AnalyticsQuery)?;
        caller.require_running_plan()?;
        let patch = patch.checked(self.query_bounds(caller))?;
        let (writer, id, spelled) = (caller.clone(), *id, spelled.to_owned());
        self.store
            .write(move |tx| {
                let org = writer.org();
                let found = saved_queries::find(tx, org, &id)?;
                let found = found.ok_or_else(|| Error::not_found::<SavedQueryKind>(spelled))?;
                writer.expects(Standing::SavedQuery(&found))?;
                let rewritten = patch.query.is_some();
                let before = json!({"name": found.name, "description": found.description});
                let (source, body, limit) = match patch.query {
                    Some(query) => (source_of(tx, &writer, &query)?, query.body, query.limit),
                    None => (found.source, found.body, found.limit),
                };
                let made = Definition {
                    name: patch.name.unwrap_or(found.name),
                    description: patch.description.unwrap_or(found.description),
                    source,
                    body,
                    limit,
                    parameters: patch.parameters.unwrap_or(found.parameters),
                };
                check_fit(&made.body, &made.parameters)?;
                saved_queries::update(tx, org, found.id, &made, writer.at)?;
                let after = json!({"name": made.name, "description": made.description, "rewritten": rewritten});
                writer.record(tx, "query.update", &found.id.prefixed(), Some(before), Some(after))?;
                stored(tx, &writer, found.id)
            })
            .await
    }

    /// Takes a saved query away.
    pub async fn delete_saved_query(
        &self,
        caller: &Caller,
        id: &IdRef<SavedQueryKind>,
        spelled: &str,
    ) -> Result<SavedQuery> {
        caller.require(Permission::AnalyticsQuery)?;
        caller.require_running_plan()?;
        let (writer, id, spelled) = (caller.clone(), *id, spelled.to_owned());
        self.store
            .write(move |tx| {
                let found = saved_queries::find(tx, writer.org(), &id)?;
                let found = found.ok_or_else(|| Error::not_found::<SavedQueryKind>(spelled))?;
                writer.expects(Standing::SavedQuery(&found))?;
                saved_queries::delete(tx, writer.org(), found.id)?;
                let before = json!({"name": found.name});
                writer.record(tx, "query.delete", &found.id.prefixed(), Some(before), None)?;
                Ok(found)
            })
            .await
    }

    /// The result of a saved query, from the cache where it is kept. `held` is what the client says to have.
    pub async fn saved_result(
        &self,
        caller: &Caller,
        (id, spelled): (&IdRef<SavedQueryKind>, &str),
        given: Map<String, Value>,
        format: ResultFormat,
        held: Option<&Condition>,
    ) -> Result<SavedResult> {
        let saved = self.saved_query(caller, id, spelled)?;
        let prepared = self.prepare_query(caller, self.saved_request(&saved, given, format)?)?;
        if !prepared.reads_extracts() {
            let answer = self.run_query(caller, prepared, Some((saved.id, saved.uuid))).await?;
            return Ok(SavedResult::Fresh(answer, None));
        }
        let org = caller.identity().holder.org_uuid;
        let key = key_of(org, &prepared)?;
        if held.is_some_and(|held| held.lists(key.tag())) {
            return Ok(SavedResult::Held(key.tag().to_owned()));
        }
        let answer = match self.kept(&key, caller).await {
            Some(kept) => kept,
            None => {
                let begin = || self.flight(caller, &saved, prepared, key.clone());
                self.results.together(&key, begin).await.map_err(error_of)?
            }
        };
        let tag = answer.is_lasting.then(|| key.tag().to_owned());
        Ok(SavedResult::Fresh(answer, tag))
    }

    /// A run of a saved query that keeps nothing: for the command line.
    pub fn saved_request(
        &self,
        saved: &SavedQuery,
        given: Map<String, Value>,
        format: ResultFormat,
    ) -> Result<QueryRequest> {
        let (text, parts) = saved.asked(saved.values(given)?);
        let source = saved.source.map(|source| (IdRef::Number(source.id), source.id.prefixed()));
        Ok(QueryRequest { text, parts, source, limit: saved.limit, format })
    }

    /// The one run for all who want this result now.
    fn flight(&self, caller: &Caller, saved: &SavedQuery, prepared: Prepared, key: Key) -> Flight {
        let (app, caller, saved) = (self.clone(), caller.clone(), (saved.id, saved.uuid));
        async move {
            // It may have come while this one waited for its turn.
            if let Some(kept) = app.kept(&key, &caller).await {
                return Ok(kept);
            }
            let answer = app.compute_query(&caller, prepared, Some(saved)).await?;
            if answer.is_lasting {
                let (app, answer) = (app.clone(), answer.clone());
                // The disk is waited for elsewhere; a result that cannot be kept is a result.
                let kept = tokio::task::spawn_blocking(move || app.results.keep(&key, &answer)).await;
                if let Ok(Err(error)) = kept {
                    tracing::warn!(%error, "a result cannot be kept");
                }
            }
            Ok(answer)
        }
        .boxed()
    }

    /// The result as it is kept; the disk is waited for elsewhere.
    async fn kept(&self, key: &Key, caller: &Caller) -> Option<QueryAnswer> {
        if !self.results.keeps_any() {
            return None;
        }
        let (app, key) = (self.clone(), key.clone());
        let scratch = format!("result-{}", self.entropy.uuid(caller.at).simple());
        tokio::task::spawn_blocking(move || app.results.find(&key, &app.data, &scratch)).await.ok().flatten()
    }

    fn query_bounds(&self, caller: &Caller) -> Bounds {
        Bounds { sql: self.settings.sql_limit, rows: self.allowance(caller).max_rows }
    }
}

/// What the result of a query depends on.
fn key_of(org: uuid::Uuid, prepared: &Prepared) -> Result<Key> {
    let Prepared { tables, source, written, limits, format, .. } = prepared;
    let source = source.as_ref();
    let all = (BUILD, tables, source.map(|(slug, _)| slug), &written.sql, &written.parameters, limits, format);
    Key::of(org, source.map(|(_, uuid)| *uuid), &all)
}

/// The source that a query is about. A query of parts is held against its columns, where there are any yet.
fn source_of(db: &Reader<'_, Main>, caller: &Caller, query: &NewBody) -> Result<Option<SourceRef>> {
    let found = match &query.source {
        None => None,
        Some((id, spelled)) => {
            let found = sources::find(db, caller.org(), id)?;
            Some(found.ok_or_else(|| Error::not_found::<SourceKind>(spelled))?)
        }
    };
    if let Body::Parts(parts) = &query.body
        && found.as_ref().is_none_or(|source| source.status == SourceStatus::Active)
    {
        written(parts, found.as_ref()).map_err(within_query)?;
    }
    Ok(found.map(|source| SourceRef { id: source.id, uuid: source.uuid }))
}

/// The saved query as this transaction leaves it.
fn stored(tx: &Tx<'_>, caller: &Caller, id: SavedQueryId) -> Result<SavedQuery> {
    let found = saved_queries::find(tx, caller.org(), &IdRef::Number(id))?;
    found.ok_or_else(|| Error::not_found::<SavedQueryKind>(id.prefixed()))
}

/// The same refusal, of a field that here stands within `query`.
fn within_query(error: Error) -> Error {
    match error {
        Error::InvalidField { field, reason } => Error::field(format!("query.{field}"), reason),
        other => other,
    }
}
