# What the Vagrantfile says to each provider, as JSON: read by Vagrant's own loader, with the provider's own class where
# Vagrant or a plugin that is here has it.
#
# usage: ruby providers.rb PROJECT PROVIDER...
require "json"
require "vagrant"

project, *providers = ARGV
machine = Struct.new(:config, :provider_config, :name)  # as much of a machine as a provider's own checks look at
vagrantfile = Vagrant::Environment.new(cwd: project, ui_class: Vagrant::UI::Silent).vagrantfile
said = vagrantfile.machine_names.product(providers).map do |name, provider|
  config = vagrantfile.machine_config(name, provider.to_sym, nil, nil, false)[:config]
  settings = config.vm.get_provider_config(provider.to_sym)
  known = !settings.is_a?(Vagrant::Config::V2::DummyConfig)
  wanted = settings.instance_variables.to_h { |each| [each.to_s.delete_prefix("@"), settings.instance_variable_get(each)] }
  {
    machine: name, provider: provider, known: known,
    box: config.vm.box, version: config.vm.box_version, url: config.vm.box_url,
    folder: config.vm.synced_folders["/vagrant"].slice(:type, :disabled),
    provisioners: config.vm.provisioners.map { |each| [each.type, each.config.respond_to?(:args) ? each.config.args : each.config.source] },
    settings: wanted.slice("cpus", "memory", "maxmemory", "smp", "linked_clone", "customizations").transform_values(&:to_s),
    errors: known ? settings.validate(machine.new(config, settings, name)) : {},
  }
end
puts JSON.generate(said)
