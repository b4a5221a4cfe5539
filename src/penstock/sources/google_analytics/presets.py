"""The reports that every property has: their names, dimensions and metrics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What is asked of a property."""

    name: str
    dimensions: tuple[str, ...]
    metrics: tuple[str, ...]
    dimension_filter: str | None = None
    """As JSON."""
    metric_filter: str | None = None


_TRAFFIC: Final = (
    "sessions engagedSessions averageSessionDuration engagementRate eventsPerSession eventCount"
    " keyEvents totalRevenue"
)
_ACQUISITION: Final = (
    "newUsers engagedSessions engagementRate eventCount keyEvents totalRevenue totalUsers"
    " userEngagementDuration"
)
_VISITORS: Final = (
    "totalUsers newUsers sessions sessionsPerUser averageSessionDuration screenPageViews"
    " screenPageViewsPerSession bounceRate"
)
_PEOPLE: Final = (
    "totalUsers activeUsers newUsers engagedSessions engagementRate userEngagementDuration"
    " eventCount keyEvents totalRevenue"
)
_PAGES: Final = (
    "screenPageViews totalUsers newUsers eventCount keyEvents totalRevenue userEngagementDuration"
)
_ITEMS: Final = (
    "itemsViewed itemsAddedToCart itemsPurchased itemRevenue cartToViewRate purchaseToViewRate"
)
_ADS: Final = "publisherAdImpressions adUnitExposure publisherAdClicks totalAdRevenue"

_TABLE: Final = (
    ("daily_active_users", "date", "active1DayUsers"),
    ("weekly_active_users", "date", "active7DayUsers"),
    ("four_weekly_active_users", "date", "active28DayUsers"),
    ("website_overview", "date", _VISITORS),
    ("devices", "date deviceCategory operatingSystem browser", _VISITORS),
    ("locations", "region country city date", _VISITORS),
    ("pages", "date hostName pagePathPlusQueryString", "screenPageViews bounceRate"),
    ("traffic_sources", "date sessionSource sessionMedium", _VISITORS),
    ("user_acquisition_first_user_source_report", "date firstUserSource", _ACQUISITION),
    ("user_acquisition_first_user_medium_report", "date firstUserMedium", _ACQUISITION),
    (
        "user_acquisition_first_user_source_medium_report",
        "date firstUserSource firstUserMedium",
        _ACQUISITION,
    ),
    ("user_acquisition_first_user_campaign_report", "date firstUserCampaignName", _ACQUISITION),
    (
        "user_acquisition_first_user_default_channel_group_report",
        "date firstUserDefaultChannelGroup",
        _ACQUISITION,
    ),
    ("traffic_acquisition_session_source_report", "date sessionSource", _TRAFFIC),
    ("traffic_acquisition_session_medium_report", "date sessionMedium", _TRAFFIC),
    (
        "traffic_acquisition_session_source_medium_report",
        "date sessionSource sessionMedium",
        _TRAFFIC,
    ),
    ("traffic_acquisition_session_campaign_report", "date sessionCampaignName", _TRAFFIC),
    (
        "traffic_acquisition_session_default_channel_grouping_report",
        "date sessionDefaultChannelGroup",
        _TRAFFIC,
    ),
    ("events_report", "date eventName", "eventCount totalUsers eventCountPerUser totalRevenue"),
    ("weekly_events_report", "yearWeek eventName", "eventCount totalUsers totalRevenue"),
    ("monthly_events_report", "yearMonth eventName", "eventCount totalUsers totalRevenue"),
    ("key_events_report", "date eventName", "keyEvents totalUsers totalRevenue"),
    ("pages_title_and_screen_class_report", "date unifiedScreenClass", _PAGES),
    ("pages_path_report", "date pagePath", _PAGES),
    ("content_group_report", "date contentGroup", _PAGES),
    ("landing_pages_report", "date landingPagePlusQueryString", _TRAFFIC),
    ("ecommerce_purchases_item_name_report", "date itemName", _ITEMS),
    ("ecommerce_purchases_item_id_report", "date itemId", _ITEMS),
    ("ecommerce_purchases_item_brand_report", "date itemBrand", _ITEMS),
    ("ecommerce_purchases_item_category_report", "date itemCategory", _ITEMS),
    ("publisher_ads_ad_unit_report", "date adUnitName", _ADS),
    ("publisher_ads_page_path_report", "date pagePath", _ADS),
    ("publisher_ads_ad_format_report", "date adFormat", _ADS),
    ("publisher_ads_ad_source_report", "date adSourceName", _ADS),
    ("demographic_country_report", "date country", _PEOPLE),
    ("demographic_region_report", "date region", _PEOPLE),
    ("demographic_city_report", "date city", _PEOPLE),
    ("demographic_language_report", "date language", _PEOPLE),
    ("demographic_age_report", "date userAgeBracket", _PEOPLE),
    ("demographic_gender_report", "date userGender", _PEOPLE),
    ("demographic_interest_report", "date brandingInterest", _PEOPLE),
    ("tech_browser_report", "date browser", _PEOPLE),
    ("tech_device_category_report", "date deviceCategory", _PEOPLE),
    ("tech_device_model_report", "date deviceModel", _PEOPLE),
    ("tech_screen_resolution_report", "date screenResolution", _PEOPLE),
    ("tech_app_version_report", "date appVersion", _PEOPLE),
    ("tech_platform_report", "date platform", _PEOPLE),
    (
        "tech_platform_device_category_report",
        "date platform deviceCategory",
        _PEOPLE,
    ),
    ("tech_operating_system_report", "date operatingSystem", _PEOPLE),
    ("tech_os_with_version_report", "date operatingSystemWithVersion", _PEOPLE),
)

PRESETS: Final = tuple(
    Report(name=name, dimensions=tuple(dimensions.split()), metrics=tuple(metrics.split()))
    for name, dimensions, metrics in _TABLE
)
