//! The migrations, which have to name the columns themselves, against the shapes of the entities.

use news_core::Entity;

use super::Tracked;

#[test]
fn the_tables_have_the_columns_of_the_shapes() {
    let mut tracked = Tracked::new();
    for entity in Entity::ALL {
        let shape = entity.shape();
        let rows = tracked.client.query(
            "SELECT column_name::text, coalesce(character_maximum_length, 0) FROM information_schema.columns
             WHERE table_schema = current_schema() AND table_name = $1 ORDER BY ordinal_position",
            &[&shape.table],
        );
        let columns: Vec<(String, i32)> = rows.unwrap().iter().map(|row| (row.get(0), row.get(1))).collect();
        let limits = shape.texts.iter().map(|text| i32::try_from(text.chars_max).unwrap());
        let expected: Vec<_> = shape.columns().map(String::from).zip([0, 0].into_iter().chain(limits)).collect();
        assert_eq!(columns, expected, "{}", shape.table);
        let references: Option<String> = tracked
            .client
            .query_one(
                "SELECT max(confrelid::regclass::text) FROM pg_constraint WHERE contype = 'f' AND conrelid = $1::text::regclass",
                &[&shape.table],
            )
            .unwrap()
            .get(0);
        assert_eq!(references.as_deref(), shape.number.parent.map(Entity::table), "{}", shape.table);
    }
}

#[test]
fn a_change_of_any_column_is_logged() {
    let mut tracked = Tracked::new();
    for (entity, id, parent) in [(Entity::Post, 1, ""), (Entity::Comment, 11, " of 1")] {
        let shape = entity.shape();
        let name = entity.table().trim_start_matches("news_");
        for text in shape.texts {
            let (table, column) = (shape.table, text.name);
            let logged = tracked.log(&format!("UPDATE {table} SET {column} = 'other' WHERE id = {id}"));
            assert_eq!(logged, [format!("U {name}s/{id}{parent}")], "{table}.{column}");
        }
        let number = shape.number.column;
        let logged = tracked.log(&format!("UPDATE {} SET {number} = 3 WHERE id = {id}", shape.table));
        let parent = if parent.is_empty() { "" } else { " of 3" };
        assert_eq!(logged, [format!("U {name}s/{id}{parent}")], "{}.{number}", shape.table);
    }
}
