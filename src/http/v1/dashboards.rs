//! Dashboards on the `/v1/` face. Wire types are in `http::wire::dashboard`, rules in `service::dashboards`.

use poem_openapi::OpenApi;

use super::{FACE, Id, Tag};
use crate::domain::dashboard::DashboardFilter;
use crate::domain::id::{DashboardKind, Widget as WidgetOf};
use crate::http::body::Body;
use crate::http::credential::Credential;
use crate::http::fault::Reply;
use crate::http::list_query::ListQuery;
use crate::http::params::{Exchanged, Named};
use crate::http::reply::{Changed, Created, Json, One};
use crate::http::wire::credits::Estimate;
use crate::http::wire::dashboard::{Dashboard, DashboardPatch, DashboardSummary, NewDashboard, Refreshed};
use crate::http::wire::widget::Widget;
use crate::http::wire::{Deleted, Listing, Nothing, Spelling};
use crate::service::app::App;

/// The dashboards of `/v1/`.
pub struct DashboardsApi(pub App);

#[OpenApi(prefix_path = "/v1/dashboards", tag = "Tag::Dashboards")]
impl DashboardsApi {
    /// List dashboards.
    #[oai(path = "/", method = "get", operation_id = "dashboards_list")]
    async fn list(
        &self,
        Credential(caller): Credential,
        list: ListQuery<Id, DashboardFilter>,
    ) -> Reply<Json<Listing<DashboardSummary<Id>>>> {
        let page = self.0.dashboards(&caller, &list.0)?;
        Ok(Json(page.map(DashboardSummary::from).into()))
    }

    /// Create a dashboard.
    #[oai(path = "/", method = "post", operation_id = "dashboards_create")]
    async fn create(
        &self,
        Credential(caller): Credential,
        Body(new): Body<NewDashboard>,
    ) -> Reply<Created<Dashboard<Id>>> {
        let answer = |made| Created(Dashboard::from(made));
        Ok(self.0.create_dashboard(&caller, new.read(FACE)?, answer).await?)
    }

    /// Get a dashboard with the results of its last refresh.
    #[oai(path = "/:id", method = "get", operation_id = "dashboards_get")]
    async fn get(&self, Credential(caller): Credential, id: Named<DashboardKind>) -> Reply<One<Dashboard<Id>>> {
        Ok(One(self.0.dashboard(&caller, &id.id, &id.spelled)?.into()))
    }

    /// Change a dashboard.
    #[oai(path = "/:id", method = "patch", operation_id = "dashboards_update")]
    async fn update(
        &self,
        Credential(caller): Credential,
        id: Named<DashboardKind>,
        Body(patch): Body<DashboardPatch>,
    ) -> Reply<Changed<Dashboard<Id>>> {
        let dashboard = self.0.update_dashboard(&caller, &id.id, &id.spelled, patch.read(FACE)?).await?;
        Ok(Changed(dashboard.into()))
    }

    /// Delete a dashboard.
    #[oai(path = "/:id", method = "delete", operation_id = "dashboards_delete")]
    async fn delete(&self, Credential(caller): Credential, id: Named<DashboardKind>) -> Reply<Json<Deleted<Id>>> {
        let deleted = self.0.delete_dashboard(&caller, &id.id, &id.spelled).await?;
        Ok(Json(Deleted::of(Id::of(deleted.id, deleted.uuid))))
    }

    /// Recompute all widgets of a dashboard.
    ///
    /// Costs credits. A widget that fails keeps its last data beside its error.
    #[oai(path = "/:id/refresh", method = "post", operation_id = "dashboards_refresh")]
    async fn refresh(
        &self,
        Credential(caller): Credential,
        id: Named<DashboardKind>,
        exchange: Exchanged,
        _body: Body<Nothing>,
    ) -> Reply<Json<Refreshed<Id>>> {
        let answer = move |refresh| Json(Refreshed::of(refresh, &exchange.0));
        Ok(self.0.refresh_dashboard(&caller, &id.id, &id.spelled, answer).await?)
    }

    /// Estimate what a refresh would cost.
    ///
    /// Costs nothing. The refresh itself reserves as much, and takes what is measured then, at most that.
    #[oai(path = "/:id/refresh/estimate", method = "post", operation_id = "dashboards_refresh_estimate")]
    async fn estimate(
        &self,
        Credential(caller): Credential,
        id: Named<DashboardKind>,
        _body: Body<Nothing>,
    ) -> Reply<Json<Estimate>> {
        Ok(Json(self.0.estimate_refresh(&caller, &id.id, &id.spelled, FACE.surface())?.into()))
    }

    /// Get one widget's data.
    #[oai(path = "/:id/widgets/:widget_id", method = "get", operation_id = "dashboards_widget")]
    async fn widget(
        &self,
        Credential(caller): Credential,
        id: Named<DashboardKind>,
        widget_id: Named<WidgetOf>,
    ) -> Reply<One<Widget<Id>>> {
        let widget = self.0.widget(&caller, (&id.id, &id.spelled), (&widget_id.id, &widget_id.spelled))?;
        Ok(One(widget.into()))
    }
}
