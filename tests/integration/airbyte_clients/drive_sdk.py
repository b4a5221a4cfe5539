"""Drives every resource of Airbyte's public API with its own client, airbyte-api.

Run by the client's own Python: drive_sdk.py ADDRESS CLIENT_ID CLIENT_SECRET TOKEN FOLDER. Prints
what it saw as one JSON object; any answer the client cannot read ends it with its error.
"""

from __future__ import annotations

import json
import sys
import time

from airbyte_api import AirbyteAPI, api, errors, models

address, client_id, client_secret, token, folder = sys.argv[1:]
seen = {}


def client(**security):
    return AirbyteAPI(server_url=f"{address}/api/public/v1", security=models.Security(**security))


credentials = models.SchemeClientCredentials(client_id=client_id, client_secret=client_secret)
for name, security in (
    ("client_credentials", {"client_credentials": credentials}),
    ("bearer", {"bearer_auth": token}),
    ("basic", {"basic_auth": models.SchemeBasicAuth(username="x", password=token)}),
):
    found = client(**security).workspaces.list_workspaces(request=api.ListWorkspacesRequest())
    seen[f"workspaces by {name}"] = len(found.workspaces_response.data)

sdk = client(client_credentials=credentials)
seen["health"] = sdk.health.get_health_check().status_code
workspace = found.workspaces_response.data[0].workspace_id

made = sdk.workspaces.create_workspace(request=models.WorkspaceCreateRequest(name="Second"))
second = made.workspace_response.workspace_id
sdk.workspaces.update_workspace(
    request=api.UpdateWorkspaceRequest(
        workspace_id=second,
        workspace_update_request=models.WorkspaceUpdateRequest(
            name="Renamed",
            notifications=models.NotificationsConfig(
                failure=models.NotificationConfig(
                    webhook=models.WebhookNotificationConfig(enabled=True, url="http://x/")
                )
            ),
        ),
    )
)
read = sdk.workspaces.get_workspace(request=api.GetWorkspaceRequest(workspace_id=second))
seen["workspace"] = read.workspace_response.name
seen["webhook"] = read.workspace_response.notifications.failure.webhook.url
page = sdk.workspaces.list_workspaces(
    request=api.ListWorkspacesRequest(limit=1)
).workspaces_response
seen["next of a page"] = page.next
sdk.workspaces.delete_workspace(request=api.DeleteWorkspaceRequest(workspace_id=second))

tag = sdk.tags.create_tag(
    request=models.TagCreateRequest(name="nightly", color="7c3aed", workspace_id=workspace)
).tag_response
try:
    sdk.tags.create_tag(
        request=models.TagCreateRequest(name="nightly", color="7c3aed", workspace_id=workspace)
    )
except errors.SDKError as error:
    seen["same tag again"] = error.status_code
sdk.tags.update_tag(
    request=api.UpdateTagRequest(
        tag_id=tag.tag_id,
        tag_patch_request=models.TagPatchRequest(name="hourly", color="00ff00"),
    )
)
seen["tag"] = sdk.tags.get_tag(request=api.GetTagRequest(tag_id=tag.tag_id)).tag_response.name
seen["tags"] = len(sdk.tags.list_tags(request=api.ListTagsRequest()).tags_response.data)

source = sdk.sources.create_source(
    request=models.SourceCreateRequest(
        name="faker",
        workspace_id=workspace,
        configuration=models.SourceFaker(count=500, seed=7, records_per_slice=100),
    )
).source_response
seen["source type"] = source.source_type
sdk.sources.patch_source(
    request=api.PatchSourceRequest(
        source_id=source.source_id, source_patch_request=models.SourcePatchRequest(name="people")
    )
)
sdk.sources.put_source(
    request=api.PutSourceRequest(
        source_id=source.source_id,
        source_put_request=models.SourcePutRequest(
            name="people", configuration=models.SourceFaker(count=300, seed=7)
        ),
    )
)
read = sdk.sources.get_source(request=api.GetSourceRequest(source_id=source.source_id))
seen["source"] = read.source_response.name
listed = sdk.sources.list_sources(request=api.ListSourcesRequest(workspace_ids=[workspace]))
seen["sources"] = [each.name for each in listed.sources_response.data]

destination = sdk.destinations.create_destination(
    request=models.DestinationCreateRequest(
        name="warehouse",
        workspace_id=workspace,
        configuration=models.DestinationDuckdb(destination_path=f"{folder}/warehouse.duckdb"),
    )
).destination_response
seen["destination type"] = destination.destination_type
sdk.destinations.patch_destination(
    request=api.PatchDestinationRequest(
        destination_id=destination.destination_id,
        destination_patch_request=models.DestinationPatchRequest(name="duck"),
    )
)
sdk.destinations.put_destination(
    request=api.PutDestinationRequest(
        destination_id=destination.destination_id,
        destination_put_request=models.DestinationPutRequest(
            name="duck",
            configuration=models.DestinationDuckdb(destination_path=f"{folder}/warehouse.duckdb"),
        ),
    )
)
read = sdk.destinations.get_destination(
    request=api.GetDestinationRequest(destination_id=destination.destination_id)
)
seen["destination"] = read.destination_response.name
listed = sdk.destinations.list_destinations(request=api.ListDestinationsRequest())
seen["destinations"] = [each.name for each in listed.destinations_response.data]

streams = sdk.streams.get_stream_properties(
    request=api.GetStreamPropertiesRequest(
        source_id=source.source_id, destination_id=destination.destination_id
    )
).stream_properties_response
users = next(each for each in streams if each.stream_name == "users")
seen["streams"] = sorted(each.stream_name for each in streams)
seen["modes"] = sorted(each.value for each in users.sync_modes)

connection = sdk.connections.create_connection(
    request=models.ConnectionCreateRequest(
        name="people to duck",
        source_id=source.source_id,
        destination_id=destination.destination_id,
        prefix="p_",
        schedule=models.AirbyteAPIConnectionSchedule(
            schedule_type=models.ScheduleTypeEnum.CRON, cron_expression="0 30 5 * * ? UTC"
        ),
        configurations=models.StreamConfigurations(
            streams=[
                models.StreamConfiguration(
                    name="users",
                    sync_mode=models.ConnectionSyncModeEnum.INCREMENTAL_DEDUPED_HISTORY,
                    cursor_field=["updated_at"],
                    primary_key=[["id"]],
                )
            ]
        ),
    )
).connection_response
seen["cron"] = connection.schedule.cron_expression
patched = sdk.connections.patch_connection(
    request=api.PatchConnectionRequest(
        connection_id=connection.connection_id,
        connection_patch_request=models.ConnectionPatchRequest(
            name="people, daily",
            tags=[
                models.Tag(tag_id=tag.tag_id, name="hourly", color="00ff00", workspace_id=workspace)
            ],
        ),
    )
).connection_response
seen["connection"] = [
    patched.name,
    patched.prefix,
    patched.configurations.streams[0].sync_mode.value,
    patched.tags[0].name,
    patched.schedule.schedule_type.value,
]
try:
    sdk.connections.patch_connection(
        request=api.PatchConnectionRequest(
            connection_id=connection.connection_id,
            connection_patch_request=models.ConnectionPatchRequest(
                configurations=models.StreamConfigurations(
                    streams=[models.StreamConfiguration(name="nobody")]
                )
            ),
        )
    )
except errors.SDKError as error:
    seen["unknown stream"] = [error.status_code, json.loads(error.body)["title"]]
listed = sdk.connections.list_connections(request=api.ListConnectionsRequest(tag_ids=[tag.tag_id]))
seen["connections of a tag"] = len(listed.connections_response.data)

begun = time.monotonic()
job = sdk.jobs.create_job(
    request=models.JobCreateRequest(
        connection_id=connection.connection_id, job_type=models.JobTypeEnum.SYNC
    )
).job_response
seen["seconds to ask for a job"] = time.monotonic() - begun
seen["status at first"] = job.status.value
try:
    sdk.jobs.create_job(
        request=models.JobCreateRequest(
            connection_id=connection.connection_id, job_type=models.JobTypeEnum.SYNC
        )
    )
except errors.SDKError as error:
    seen["job again"] = [error.status_code, "already running" in error.body]
for _ in range(600):
    job = sdk.jobs.get_job(request=api.GetJobRequest(job_id=job.job_id)).job_response
    if job.status.value not in ("pending", "running", "incomplete"):
        break
    time.sleep(0.1)
seen["job"] = [job.status.value, job.rows_synced, job.last_updated_at[-1], job.duration[:2]]
listed = sdk.jobs.list_jobs(
    request=api.ListJobsRequest(
        connection_id=connection.connection_id,
        status=models.JobStatusEnum.SUCCEEDED,
        order_by="updatedAt|DESC",
    )
)
seen["jobs"] = len(listed.jobs_response.data)
seen["cancelled"] = sdk.jobs.cancel_job(
    request=api.CancelJobRequest(job_id=job.job_id)
).job_response.status.value
try:
    sdk.jobs.create_job(
        request=models.JobCreateRequest(
            connection_id=connection.connection_id, job_type=models.JobTypeEnum.REFRESH
        )
    )
except errors.SDKError as error:
    seen["refresh"] = error.status_code

for kind, resource in (
    ("source", sdk.source_definitions),
    ("destination", sdk.destination_definitions),
):
    title = kind.capitalize()
    definition = getattr(resource, f"create_{kind}_definition")(
        request=getattr(api, f"Create{title}DefinitionRequest")(
            workspace_id=workspace,
            create_definition_request=models.CreateDefinitionRequest(
                name="Mine", docker_repository=f"me/{kind}-mine", docker_image_tag="1.0"
            ),
        )
    ).definition_response
    asked = {"workspace_id": workspace, "definition_id": definition.id}
    getattr(resource, f"update_{kind}_definition")(
        request=getattr(api, f"Update{title}DefinitionRequest")(
            **asked,
            update_definition_request=models.UpdateDefinitionRequest(
                name="Mine", docker_image_tag="1.1"
            ),
        )
    )
    read = getattr(resource, f"get_{kind}_definition")(
        request=getattr(api, f"Get{title}DefinitionRequest")(**asked)
    )
    seen[f"{kind} definition"] = read.definition_response.docker_image_tag
    listed = getattr(resource, f"list_{kind}_definitions")(
        request=getattr(api, f"List{title}DefinitionsRequest")(workspace_id=workspace)
    )
    seen[f"{kind} definitions"] = [each.name for each in listed.definitions_response.data]
    getattr(resource, f"delete_{kind}_definition")(
        request=getattr(api, f"Delete{title}DefinitionRequest")(**asked)
    )

low_code = sdk.declarative_source_definitions
made = low_code.create_declarative_source_definition(
    request=api.CreateDeclarativeSourceDefinitionRequest(
        workspace_id=workspace,
        create_declarative_source_definition_request=(
            models.CreateDeclarativeSourceDefinitionRequest(
                name="Low", manifest={"version": "6.0.0", "type": "DeclarativeSource"}
            )
        ),
    )
).declarative_source_definition_response
asked = {"workspace_id": workspace, "definition_id": made.id}
low_code.update_declarative_source_definition(
    request=api.UpdateDeclarativeSourceDefinitionRequest(
        **asked,
        update_declarative_source_definition_request=(
            models.UpdateDeclarativeSourceDefinitionRequest(manifest={"version": "6.1.0"})
        ),
    )
)
read = low_code.get_declarative_source_definition(
    request=api.GetDeclarativeSourceDefinitionRequest(**asked)
).declarative_source_definition_response
seen["declarative"] = [read.version, read.manifest]
low_code.list_declarative_source_definitions(
    request=api.ListDeclarativeSourceDefinitionsRequest(workspace_id=workspace)
)
low_code.delete_declarative_source_definition(
    request=api.DeleteDeclarativeSourceDefinitionRequest(**asked)
)

organization = sdk.organizations.list_organizations_for_user().organizations_response.data[0]
people = sdk.users.list_users_within_an_organization(
    request=api.ListUsersWithinAnOrganizationRequest(organization_id=organization.organization_id)
).users_response.data
seen["users"] = [each.email for each in people]
permission = sdk.permissions.create_permission(
    request=models.PermissionCreateRequest(
        permission_type=models.PublicPermissionType.WORKSPACE_READER,
        user_id=people[0].id,
        workspace_id=workspace,
    )
).permission_response
sdk.permissions.update_permission(
    request=api.UpdatePermissionRequest(
        permission_id=permission.permission_id,
        permission_update_request=models.PermissionUpdateRequest(
            permission_type=models.PermissionType.WORKSPACE_EDITOR
        ),
    )
)
read = sdk.permissions.get_permission(
    request=api.GetPermissionRequest(permission_id=permission.permission_id)
)
seen["permission"] = read.permission_response.permission_type.value
listed = sdk.permissions.list_permissions(request=api.ListPermissionsRequest(user_id=people[0].id))
seen["permissions"] = sorted(
    each.permission_type.value for each in listed.permissions_response.data
)
sdk.permissions.delete_permission(
    request=api.DeletePermissionRequest(permission_id=permission.permission_id)
)

sdk.connections.delete_connection(
    request=api.DeleteConnectionRequest(connection_id=connection.connection_id)
)
sdk.sources.delete_source(request=api.DeleteSourceRequest(source_id=source.source_id))
sdk.destinations.delete_destination(
    request=api.DeleteDestinationRequest(destination_id=destination.destination_id)
)
sdk.tags.delete_tag(request=api.DeleteTagRequest(tag_id=tag.tag_id))
try:
    sdk.sources.get_source(request=api.GetSourceRequest(source_id=source.source_id))
except errors.SDKError as error:
    seen["gone"] = [error.status_code, json.loads(error.body)["title"]]
print(json.dumps(seen))
