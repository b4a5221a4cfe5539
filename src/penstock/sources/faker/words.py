"""The words rows are made of; between them they have every letter that gets lost on the way."""

# ruff: noqa: RUF001 (letters that look like others are the point)

from __future__ import annotations

from typing import Final

FIRST_NAMES: Final = (
    "Aarav", "Ada", "Amélie", "Ananya", "Björn", "Chidi", "Dae-jung", "Eilidh", "Fátima", "Grace",
    "Hiroshi", "Ingrid", "Ji-woo", "José", "Kavita", "Léa", "Małgorzata", "Meera", "Ngozi", "Nuria",
    "Olga", "Priya", "Quynh", "Rohan", "Saoirse", "Søren", "Tomáš", "Ulrike", "Vihaan", "Wanjiru",
    "मीरा", "李", "さくら", "Ольга", "فاطمة", "Zoë",
)  # fmt: skip
LAST_NAMES: Final = (
    "Adeyemi", "Bose", "Çelik", "D'Souza", "Dvořák", "Eriksson", "Fernández", "García", "Hoang",
    "Iyer", "Jansen", "Kaur", "Kowalski", "Larsen", "Mbeki", "Müller", "Nguyễn", "O’Brien", "Patel",
    "Quispe", "Rao", "Schröder", "Sharma", "Tanaka", "Ueda", "van den Berg", "Wójcik", "Xu",
    "Yılmaz", "Zhang",
)  # fmt: skip
MAIL_NAMES: Final = (
    "aarav", "ada", "amelie", "ananya", "bjorn", "chidi", "grace", "hiroshi", "ingrid", "kavita",
    "lea", "meera", "ngozi", "olga", "priya", "rohan", "saoirse", "soren", "wanjiru", "zoe",
)  # fmt: skip
CITIES: Final = (
    "Ahmedabad", "Bengaluru", "Dar es Salaam", "Göteborg", "Hà Nội", "Kraków", "Kyōto", "Lagos",
    "Málaga", "Nairobi", "Pune", "Québec", "Reykjavík", "São Paulo", "Thiruvananthapuram", "Zürich",
    "मुंबई", "東京", 'The "Old" Town', "Back\\slash",
)  # fmt: skip
STREETS: Final = (
    "Acacia Avenue", "Bahnhofstraße", "Calle de la Luna", "Gandhi Road", "Hauptstraße", "MG Road",
    "Rue de l’Église", "Station Road", "ul. Długa", "Ørstedsvej",
)  # fmt: skip
NOTES: Final = (
    None, None, None, None, "", " ", "Prefers mail", "Calls back\nafter lunch", "Tab\there",
    'Says "hello"', "C:\\temp\\new", "null", "NULL", "0012", "1e5", "🙂 likes emoji 👩‍👩‍👧",
    "a,b;c|d",
    "'; DROP TABLE users; --", "{\"not\": \"an object\"}", "ﬀ ligature, e\u0301 combining",
)  # fmt: skip
ADJECTIVES: Final = (
    "Amber", "Bold", "Crisp", "Dusty", "Early", "Fine", "Grand", "Hardy", "Indigo", "Jolly", "Kind",
    "Light", "Mild", "Noble", "Olive", "Plain", "Quiet", "Rustic", "Sturdy", "Tidy",
)  # fmt: skip
THINGS: Final = (
    "Basket", "Blanket", "Bottle", "Candle", "Chair", "Cup", "Desk", "Fan", "Kettle", "Lamp",
    "Mirror", "Notebook", "Pan", "Pencil", "Pillow", "Rug", "Shelf", "Stool", "Table", "Vase",
)  # fmt: skip
CATEGORIES: Final = ("Garden", "Home & kitchen", "Office", "Travel", None)
CURRENCIES: Final = ("EUR", "INR", "JPY", "NGN", "USD")
PAYMENTS: Final = ("card", "cash", "invoice", "upi", None)
