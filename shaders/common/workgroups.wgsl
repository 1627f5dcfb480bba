// Dispatches of more than 65535 workgroups are folded into two dimensions.
fn workgroup_index(group: vec3u, groups: vec3u) -> u32 {
    return group.y * groups.x + group.x;
}
