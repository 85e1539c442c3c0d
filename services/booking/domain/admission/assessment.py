"""Ability assessment of older people in special difficulty [001]: the rule that only this service has.

The older person or an agent applies to the sub-district (街道、乡镇) of the household registration, and that
district's civil affairs department commissions the agency. So the sub-district declared must lie in the agency's
district. Who may apply (age, difficulty category) and that an agent may book stands in the policy, as data.
"""

from services.booking.domain.admission.rules import Case
from services.booking.domain.reason import Reason
from shared.refusal import Refused

SUBDISTRICT = "registered_subdistrict"
"""The declaration that names the sub-district or township of the household registration, by its id."""


def registered_in_district(case: Case) -> None:
    """Refuse a household registration outside the district that commissioned the agency."""
    district = case.facts.catalogue.districts[case.venue.district_id]
    if case.book.declarations.get(SUBDISTRICT) not in district.subdistricts:
        raise Refused(
            Reason.OUTSIDE_DISTRICT,
            field=f"/declarations/{SUBDISTRICT}",
            district_zh=district.name.zh,
            district_en=district.name.en,
            options=", ".join(district.subdistricts),
        )
